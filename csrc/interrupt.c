/*
 * interrupt: Ctrl-C while events are awaited, and while a prompt's Lua runs; SIGTERM and SIGHUP where
 * they end a run and not the process.
 *
 * The first one is only noted, so that a loop can end cleanly; the second goes to whoever had
 * the signal before.  The handler is in place only while a crumb.Interrupt is open.
 *
 * A crumb.Guard has the signal beneath those: it interrupts what the guard calls, as often as it
 * comes, and nothing else.
 *
 * A crumb.Termination makes SIGTERM and SIGHUP end loops as the first Ctrl-C does.  Once one came,
 * later loops end at once, and another one ends the process.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <time.h>

#include "core.h"

static volatile sig_atomic_t caught;
static struct sigaction previous;
static volatile sig_atomic_t holders;

/* The signal that ended a run, and when it came. */
static volatile sig_atomic_t terminated;
static struct timespec terminated_at;

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
	if (terminated)
		caught = 1;
	handle->release = interrupt_release;
	return 1;
}

/* core.interrupted() -> whether Ctrl-C came since the outermost open Interrupt was taken */
int l_interrupted(lua_State *L)
{
	lua_pushboolean(L, caught);
	return 1;
}

#define TERMINATION "crumb.Termination"
#define ONE 0.2 /* seconds: timeout(1) sends its signal twice */

static const int endings[] = { SIGTERM, SIGHUP };

#define ENDINGS (sizeof(endings) / sizeof(endings[0]))

struct termination {
	struct handle handle;
	struct sigaction before[ENDINGS];
};

static void on_termination(int number)
{
	struct sigaction action = { .sa_handler = SIG_DFL };
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	if (!terminated) {
		terminated_at = now;
		terminated = number;
		if (holders)
			caught = 1;
	} else if ((double)(now.tv_sec - terminated_at.tv_sec) +
			   (double)(now.tv_nsec - terminated_at.tv_nsec) / 1e9 >
		   ONE) {
		sigaction(number, &action, NULL);
		raise(number);
	}
}

/* After a signal the handler stays: its twin may be still to come. */
static int termination_release(struct handle *handle)
{
	struct termination *termination = (struct termination *)handle;
	int err = 0;

	for (size_t i = 0; i < ENDINGS && !terminated; i++)
		if (sigaction(endings[i], &termination->before[i], NULL))
			err = errno;
	return err;
}

/* core.termination() -> Termination: takes SIGTERM and SIGHUP until it is closed */
int l_termination(lua_State *L)
{
	struct termination *termination = handle_new(L, TERMINATION, sizeof(*termination), 0);
	struct sigaction action = { .sa_handler = on_termination };

	for (size_t i = 0; i < ENDINGS; i++)
		sigaction(endings[i], NULL, &termination->before[i]);
	termination->handle.release = termination_release;
	/* Who ignores one (nohup) goes on ignoring it. */
	for (size_t i = 0; i < ENDINGS; i++)
		if (termination->before[i].sa_handler != SIG_IGN)
			sigaction(endings[i], &action, NULL);
	return 1;
}

/* core.terminated() -> the signal that came while a Termination was open, or nil */
int l_terminated(lua_State *L)
{
	if (terminated)
		lua_pushinteger(L, terminated);
	else
		lua_pushnil(L);
	return 1;
}

#define GUARD "crumb.Guard"

struct guard {
	struct handle handle;
	struct sigaction before;
};

/* What is interrupted; NULL: nothing. */
static lua_State *volatile guarded;

static void interrupt_hook(lua_State *L, lua_Debug *where)
{
	(void)where;
	lua_sethook(L, NULL, 0, 0);
	luaL_error(L, "interrupted!");
}

/* lua_sethook may be called from a signal's handler. */
static void on_guarded(int number)
{
	(void)number;
	if (guarded)
		lua_sethook(guarded, interrupt_hook,
			    LUA_MASKCALL | LUA_MASKRET | LUA_MASKLINE | LUA_MASKCOUNT, 1);
}

static int guard_release(struct handle *handle)
{
	return sigaction(SIGINT, &((struct guard *)handle)->before, NULL) ? errno : 0;
}

/* core.guard() -> Guard | nil, message, errno: takes SIGINT until it is closed */
int l_guard(lua_State *L)
{
	struct guard *guard = handle_new(L, GUARD, sizeof(*guard), 0);
	struct sigaction action = { .sa_handler = on_guarded };

	if (sigaction(SIGINT, &action, &guard->before))
		return handle_fail(L, errno, "take SIGINT");
	guard->handle.release = guard_release;
	return 1;
}

/* guard:call(f, ...) -> as pcall; Ctrl-C raises "interrupted!" in it */
static int l_guard_call(lua_State *L)
{
	lua_State *before = guarded;
	int status;

	handle_check(L, 1, GUARD);
	luaL_checkany(L, 2);
	guarded = L;
	status = lua_pcall(L, lua_gettop(L) - 2, LUA_MULTRET, 0);
	guarded = before;
	lua_sethook(L, NULL, 0, 0);
	lua_pushboolean(L, status == LUA_OK);
	lua_replace(L, 1);
	return lua_gettop(L);
}

/*
 * guard:resume(f, co, ...) -> what f(co, ...) does, which is to resume co: meanwhile Ctrl-C is for that.
 * What came as it ended is for who has resumed it.
 */
static int l_guard_resume(lua_State *L)
{
	lua_State *co = lua_tothread(L, 3);
	int status;

	handle_check(L, 1, GUARD);
	luaL_checktype(L, 3, LUA_TTHREAD);
	lua_pushvalue(L, 3);
	lua_replace(L, 1); /* keeps it */
	guarded = co;
	status = lua_pcall(L, lua_gettop(L) - 2, LUA_MULTRET, 0);
	guarded = L;
	if (lua_gethook(co) == interrupt_hook) {
		lua_sethook(co, NULL, 0, 0);
		on_guarded(SIGINT);
	}
	return status == LUA_OK ? lua_gettop(L) - 1 : lua_error(L);
}

void interrupt_register(lua_State *L)
{
	static const luaL_Reg none[] = { { NULL, NULL } };
	static const luaL_Reg methods[] = {
		{ "call", l_guard_call },
		{ "resume", l_guard_resume },
		{ NULL, NULL },
	};

	handle_class(L, INTERRUPT, none);
	handle_class(L, TERMINATION, none);
	handle_class(L, GUARD, methods);
}
