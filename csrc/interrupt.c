/*
 * interrupt: Ctrl-C while events are awaited.
 *
 * The first one is only noted, so that a loop can end cleanly; the second goes to whoever had
 * the signal before.  The handler is in place only while a crumb.Interrupt is open.
 */
#include <errno.h>
#include <signal.h>

#include "core.h"

static volatile sig_atomic_t caught;
static struct sigaction previous;
static int holders;

static void on_interrupt(int number)
{
	if (caught) {
		sigaction(number, &previous, NULL);
		raise(number);
	}
	caught = 1;
}

bool crumb_interrupted(void)
{
	return caught;
}

static int interrupt_release(struct handle *handle)
{
	(void)handle;
	if (--holders)
		return 0;
	caught = 0;
	return sigaction(SIGINT, &previous, NULL) ? errno : 0;
}

/* core.interrupt() -> Interrupt: takes SIGINT until it is closed; nested ones share it */
int l_interrupt(lua_State *L)
{
	struct handle *handle = handle_new(L, INTERRUPT, sizeof(*handle), 0);
	struct sigaction action = { .sa_handler = on_interrupt };

	if (!holders) {
		if (sigaction(SIGINT, NULL, &previous))
			return handle_fail(L, errno, "take SIGINT");
		/* Who ignores it (a background job) goes on ignoring it. */
		if (previous.sa_handler != SIG_IGN && sigaction(SIGINT, &action, NULL))
			return handle_fail(L, errno, "take SIGINT");
	}
	holders++;
	handle->release = interrupt_release;
	return 1;
}

/* core.interrupted() -> whether Ctrl-C came since the outermost open Interrupt was taken */
int l_interrupted(lua_State *L)
{
	lua_pushboolean(L, caught);
	return 1;
}

void interrupt_register(lua_State *L)
{
	static const luaL_Reg methods[] = { { NULL, NULL } };

	handle_class(L, INTERRUPT, methods);
}
