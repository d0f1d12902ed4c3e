# SPDX-License-Identifier: Apache-2.0
"""
--once-more, for the long run of CI: a test that fails is run once more, at once and alone, with all its fixtures made anew.

These tests work with real clocks, peers of other makes and a kernel that may be late; an hour of CI must not hang on one packet that a timer
of theirs lost. Nothing is hidden by it: a test that passes only then is named "unsteady" with the whole output of its first failure, a
test that fails twice has failed, and so has a third one in a run that fails once: what is unsteady so often is broken.
"""
import pytest
from _pytest.runner import runtestprotocol

UNSTEADY_MAX = 2


def pytest_addoption(parser):
    parser.addoption('--once-more', action='store_true', help=f'run what fails once more; at most {UNSTEADY_MAX} tests may need it')


def pytest_configure(config):
    if config.getoption('once_more'):
        config.pluginmanager.register(OnceMore(config), 'once-more')


class OnceMore:
    def __init__(self, config):
        self.config, self.unsteady = config, []

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item, nextitem):
        item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
        reports = runtestprotocol(item, log=False, nextitem=nextitem)
        if any(r.failed for r in reports) and len(self.unsteady) < UNSTEADY_MAX:
            self.tell(item, [r for r in reports if r.failed])
            # fixtures of the module and of the session, too
            item.session._setupstate.teardown_exact(None)
            reports = runtestprotocol(item, log=False, nextitem=nextitem)
            if not any(r.failed for r in reports):
                self.unsteady.append(item.nodeid)
        for r in reports:
            item.ihook.pytest_runtest_logreport(report=r)
        item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
        return True

    def tell(self, item, failed):
        """At once: whatever becomes of the run, its log has it."""
        out = self.config.pluginmanager.get_plugin('terminalreporter')
        out.ensure_newline()
        out.section(f'first failure of {item.nodeid}, which is run once more', '_')
        for r in failed:
            out.write_line(f'in its {r.when}:')
            r.toterminal(out._tw)
            for title, text in r.sections:
                out.section(title, '-')
                out.write_line(text)

    def pytest_terminal_summary(self, terminalreporter):
        for nodeid in self.unsteady:
            terminalreporter.write_line(f'unsteady: {nodeid}')
