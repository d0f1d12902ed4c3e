/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RFC 1661 section 4.1, cell by cell. Its remarks: [r] (a restart when already open) is not taken
 * up, [x] (a crossed connection) needs no action, [p] (passive) is what the host does by raising Up
 * late.
 */
#include "p2s/ppp_automaton.h"

/* clang-format off */
#define NO {0, PPP_NO_STATE}
#define GO(next) {0, next}

static const struct ppp_transition table[PPP_EVENTS][PPP_STATES] = {
/*                  0 Initial    1 Starting  2 Closed    3 Stopped   4 Closing   5 Stopping
                    6 Req-Sent   7 Ack-Rcvd  8 Ack-Sent  9 Opened */
[PPP_UP] =           {GO(2), {PPP_IRC | PPP_SCR, 6}, NO, NO, NO, NO,
		      NO, NO, NO, NO},
[PPP_DOWN] =         {NO, NO, GO(0), {PPP_TLS, 1}, GO(0), GO(1),
		      GO(1), GO(1), GO(1), {PPP_TLD, 1}},
[PPP_OPEN] =         {{PPP_TLS, 1}, GO(1), {PPP_IRC | PPP_SCR, 6}, GO(3), GO(5), GO(5),
		      GO(6), GO(7), GO(8), GO(9)},
[PPP_CLOSE] =        {GO(0), {PPP_TLF, 0}, GO(2), GO(2), GO(4), GO(4),
		      {PPP_IRC | PPP_STR, 4}, {PPP_IRC | PPP_STR, 4}, {PPP_IRC | PPP_STR, 4},
		      {PPP_TLD | PPP_IRC | PPP_STR, 4}},
[PPP_TIMEOUT] =      {NO, NO, NO, NO, {PPP_STR, 4}, {PPP_STR, 5},
		      {PPP_SCR, 6}, {PPP_SCR, 6}, {PPP_SCR, 8}, NO},
[PPP_TIMEOUT_LAST] = {NO, NO, NO, NO, {PPP_TLF, 2}, {PPP_TLF, 3},
		      {PPP_TLF, 3}, {PPP_TLF, 3}, {PPP_TLF, 3}, NO},
[PPP_REQUEST_GOOD] = {NO, NO, {PPP_STA, 2}, {PPP_IRC | PPP_SCR | PPP_SCA, 8}, GO(4), GO(5),
		      {PPP_SCA, 8}, {PPP_SCA | PPP_TLU, 9}, {PPP_SCA, 8},
		      {PPP_TLD | PPP_SCR | PPP_SCA, 8}},
[PPP_REQUEST_BAD] =  {NO, NO, {PPP_STA, 2}, {PPP_IRC | PPP_SCR | PPP_SCN, 6}, GO(4), GO(5),
		      {PPP_SCN, 6}, {PPP_SCN, 7}, {PPP_SCN, 6},
		      {PPP_TLD | PPP_SCR | PPP_SCN, 6}},
[PPP_ACK] =          {NO, NO, {PPP_STA, 2}, {PPP_STA, 3}, GO(4), GO(5),
		      {PPP_IRC, 7}, {PPP_SCR, 6}, {PPP_IRC | PPP_TLU, 9},
		      {PPP_TLD | PPP_SCR, 6}},
[PPP_NAK] =          {NO, NO, {PPP_STA, 2}, {PPP_STA, 3}, GO(4), GO(5),
		      {PPP_IRC | PPP_SCR, 6}, {PPP_SCR, 6}, {PPP_IRC | PPP_SCR, 8},
		      {PPP_TLD | PPP_SCR, 6}},
[PPP_TERMINATE] =    {NO, NO, {PPP_STA, 2}, {PPP_STA, 3}, {PPP_STA, 4}, {PPP_STA, 5},
		      {PPP_STA, 6}, {PPP_STA, 6}, {PPP_STA, 6},
		      {PPP_TLD | PPP_ZRC | PPP_STA, 5}},
[PPP_TERMINATE_ACK] = {NO, NO, GO(2), GO(3), {PPP_TLF, 2}, {PPP_TLF, 3},
		      GO(6), GO(6), GO(8), {PPP_TLD | PPP_SCR, 6}},
[PPP_UNKNOWN_CODE] = {NO, NO, {PPP_SCJ, 2}, {PPP_SCJ, 3}, {PPP_SCJ, 4}, {PPP_SCJ, 5},
		      {PPP_SCJ, 6}, {PPP_SCJ, 7}, {PPP_SCJ, 8}, {PPP_SCJ, 9}},
[PPP_REJECT_HARMLESS] = {NO, NO, GO(2), GO(3), GO(4), GO(5),
		      GO(6), GO(6), GO(8), GO(9)},
[PPP_REJECT_FATAL] = {NO, NO, {PPP_TLF, 2}, {PPP_TLF, 3}, {PPP_TLF, 2}, {PPP_TLF, 3},
		      {PPP_TLF, 3}, {PPP_TLF, 3}, {PPP_TLF, 3},
		      {PPP_TLD | PPP_IRC | PPP_STR, 5}},
[PPP_ECHO_AND_THE_LIKE] = {NO, NO, GO(2), GO(3), GO(4), GO(5),
		      GO(6), GO(7), GO(8), {PPP_SER, 9}},
};
/* clang-format on */

struct ppp_transition ppp_transition(enum ppp_state state, enum ppp_event event)
{
	return table[event][state];
}
