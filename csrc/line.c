/*
 * line: the C module crumb.line: a line that is typed at a terminal, by GNU readline's callbacks.
 *
 * Who waits for keys and for other things calls read() when a key is there, and may write above
 * the line between hide() and show().  No Lua runs within readline, so that none of its errors
 * jumps through it: what a key means for the caller comes out of read().
 */
#define _GNU_SOURCE
#include <errno.h>
#include <lauxlib.h>
#include <locale.h>
#include <lua.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include <readline/history.h>
#include <readline/readline.h>

#define PASTES_ON "\033[?2004h"
#define PASTES_OFF "\033[?2004l"

enum event { NOTHING, TYPED, ENDED, COMPLETE };
static const char *const events[] = { NULL, "line", "end", "tab" };

/* The one line of this process. */
static struct {
	bool typed; /* the terminal is readline's */
	enum event event;
	char *text; /* of TYPED, malloc'ed */
	struct termios cooked, raw;
} line;

/* A signal came after which the line is to be drawn again. */
static volatile sig_atomic_t resized, resumed;

static void crumb_terminal(const struct termios *mode, const char *pastes)
{
	ssize_t ignored;

	tcsetattr(STDIN_FILENO, TCSANOW, mode);
	ignored = write(STDOUT_FILENO, pastes, sizeof(PASTES_ON) - 1);
	(void)ignored;
}

static void crumb_default(int number)
{
	struct sigaction action = { .sa_handler = SIG_DFL };
	sigset_t set;

	sigaction(number, &action, NULL);
	sigemptyset(&set);
	sigaddset(&set, number);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	raise(number);
}

/* What ends or stops the process finds the terminal as it was. */
static void on_end(int number)
{
	crumb_terminal(&line.cooked, PASTES_OFF);
	crumb_default(number);
}

static void on_size(int number)
{
	(void)number;
	resized = 1;
}

static void on_continue(int number);

static const struct {
	int number;
	void (*handler)(int number);
} signals[] = {
	{ SIGTERM, on_end }, { SIGHUP, on_end },    { SIGQUIT, on_end },
	{ SIGTSTP, on_end }, { SIGWINCH, on_size }, { SIGCONT, on_continue },
};

#define SIGNALS (sizeof(signals) / sizeof(signals[0]))
static struct sigaction before[SIGNALS];

/* Who ignores one goes on ignoring it. */
static void crumb_take(size_t i, struct sigaction *old)
{
	struct sigaction action = { .sa_handler = signals[i].handler, .sa_flags = SA_RESTART };

	if (sigaction(signals[i].number, NULL, old) || old->sa_handler == SIG_IGN)
		return;
	sigaction(signals[i].number, &action, NULL);
}

static void on_continue(int number)
{
	struct sigaction ignored;
	int saved = errno;

	(void)number;
	for (size_t i = 0; i < SIGNALS; i++)
		if (signals[i].number == SIGTSTP)
			crumb_take(i, &ignored);
	crumb_terminal(&line.raw, PASTES_ON);
	resumed = 1;
	errno = saved;
}

static void crumb_begin(const char *prompt, void (*done_cb)(char *text))
{
	if (line.typed)
		return;
	tcgetattr(STDIN_FILENO, &line.cooked);
	rl_callback_handler_install(prompt, done_cb);
	tcgetattr(STDIN_FILENO, &line.raw);
	for (size_t i = 0; i < SIGNALS; i++)
		crumb_take(i, &before[i]);
	line.typed = true;
}

static void crumb_leave(void)
{
	if (!line.typed)
		return;
	line.typed = false;
	for (size_t i = 0; i < SIGNALS; i++)
		sigaction(signals[i].number, &before[i], NULL);
	rl_callback_handler_remove();
}

/* Whether readline itself ends the line where Ctrl-D was typed. */
static bool crumb_ends_line(void)
{
	const char *pastes = rl_variable_value("enable-bracketed-paste");

	return RL_READLINE_VERSION >= 0x0801 && pastes && !strcmp(pastes, "on");
}

static void done_cb(char *text)
{
	free(line.text);
	line.text = text;
	line.event = text ? TYPED : ENDED;
	if (!text && !crumb_ends_line())
		fputc('\n', rl_outstream);
	crumb_leave();
}

static int tab_cb(int count, int key)
{
	(void)count;
	(void)key;
	line.event = COMPLETE;
	return 0;
}

static char *no_match_cb(const char *text, int state)
{
	(void)text;
	(void)state;
	return NULL;
}

/* line.start(prompt): from now on a line is typed */
static int l_start(lua_State *L)
{
	crumb_begin(luaL_checkstring(L, 1), done_cb);
	return 0;
}

/* line.stop(): the terminal is as it was, and what was typed is forgotten */
static int l_stop(lua_State *L)
{
	(void)L;
	if (line.typed) {
		rl_callback_sigcleanup();
		rl_free_line_state();
	}
	crumb_leave();
	return 0;
}

/* line.read() -> "line", text | "tab" | "end" | nothing: takes one key, which is there */
static int l_read(lua_State *L)
{
	line.event = NOTHING;
	if (line.typed)
		rl_callback_read_char();
	if (line.event == NOTHING)
		return 0;
	lua_pushstring(L, events[line.event]);
	if (line.event != TYPED)
		return 1;
	lua_pushstring(L, line.text);
	return 2;
}

/* line.refresh(): draws the line again, if the terminal has another size or is ours again */
static int l_refresh(lua_State *L)
{
	(void)L;
	if (!line.typed || (!resized && !resumed))
		return 0;
	if (resized)
		rl_resize_terminal();
	if (resumed)
		rl_forced_update_display();
	resized = resumed = 0;
	return 0;
}

/*
 * line.hide(): takes the line off the screen, so that something can be written where it was; not
 * before that is written, so that nobody sees it go
 */
static int l_hide(lua_State *L)
{
	(void)L;
	if (line.typed)
		rl_clear_visible_line();
	return 0;
}

/* line.show(): draws it again, where the cursor is; the cursor begins a line */
static int l_show(lua_State *L)
{
	(void)L;
	if (!line.typed)
		return 0;
	rl_on_new_line();
	rl_redisplay();
	fflush(rl_outstream);
	return 0;
}

/* line.leave(): puts the cursor behind what is typed, as for what follows it on the screen */
static int l_leave(lua_State *L)
{
	(void)L;
	if (!line.typed)
		return 0;
	rl_point = rl_end;
	rl_redisplay();
	fflush(rl_outstream);
	return 0;
}

/* line.text() -> what is typed; how many bytes of it stand before the cursor */
static int l_text(lua_State *L)
{
	lua_pushlstring(L, rl_line_buffer, line.typed ? (size_t)rl_end : 0);
	lua_pushinteger(L, line.typed ? rl_point : 0);
	return 2;
}

/* line.replace(from, text): puts text where the bytes from that one to the cursor are */
static int l_replace(lua_State *L)
{
	lua_Integer from = luaL_checkinteger(L, 1);
	const char *text = luaL_checkstring(L, 2);

	luaL_argcheck(L, from >= 0 && from <= rl_point, 1, "it is not before the cursor");
	if (!line.typed)
		return 0;
	rl_begin_undo_group();
	rl_delete_text((int)from, rl_point);
	rl_point = (int)from;
	rl_insert_text(text);
	rl_end_undo_group();
	rl_redisplay();
	return 0;
}

/* line.remember(text): the newest of those that the arrow keys bring back */
static int l_remember(lua_State *L)
{
	add_history(luaL_checkstring(L, 1));
	return 0;
}

static void crumb_set_up(void)
{
	const char *locale = setlocale(LC_CTYPE, "");

	/* Where nobody said anything, text is UTF-8. */
	if (!locale || !strcmp(locale, "C"))
		setlocale(LC_CTYPE, "C.UTF-8");
	rl_readline_name = "crumb";
	rl_catch_signals = 0;
	rl_catch_sigwinch = 0;
	rl_change_environment = 0;
	rl_initialize();
	rl_completion_entry_function = no_match_cb;
	rl_bind_key('\t', tab_cb);
	rl_bind_key_in_map('\t', tab_cb, vi_insertion_keymap);
	using_history();
	stifle_history(10000);
	atexit(crumb_leave);
}

__attribute__((visibility("default"))) int luaopen_crumb_line(lua_State *L)
{
	static const luaL_Reg functions[] = {
		{ "start", l_start },       { "stop", l_stop }, { "read", l_read },
		{ "refresh", l_refresh },   { "hide", l_hide }, { "show", l_show },
		{ "leave", l_leave },       { "text", l_text }, { "replace", l_replace },
		{ "remember", l_remember }, { NULL, NULL },
	};
	static bool ready;

	luaL_newlib(L, functions);
	if (!ready)
		crumb_set_up();
	ready = true;
	return 1;
}
