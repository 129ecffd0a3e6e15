/*
 * spawn: a child that waits before it becomes the user's program, so that a filter on its pid and
 * what is attached meanwhile hold from its first instruction on.
 *
 * The two are joined by a socket that exec closes: a byte says go, an errno comes back when there
 * was no exec, and the end of either is seen by the other.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core.h"

#define PROCESS "crumb.Process"
#define NO_EXEC 127 /* the status of a child that became nothing, as in shells */
#define LONGEST 1e9 /* seconds */

enum state { WAITING, STARTED, ENDED };

struct process {
	struct handle handle;
	pid_t pid;
	int fd; /* of the process, so that no other one of this pid is ever meant */
	int control; /* our end of the socket, until it is started */
	enum state state;
	bool foreign; /* no child of ours: only its end is known */
	int status; /* of an ended one, as wait() has it; -1: nobody knows */
	char *program; /* what it becomes, while it waits; NULL: out of memory */
	struct process *next; /* of those that wait */
};

/* Those that were not started yet. */
static struct process *waiting;

/* Started ones whose handles are closed; each is waited for when it has ended. */
static struct {
	pid_t *pids;
	size_t count;
} left;

static void reap_left(void)
{
	for (size_t i = left.count; i-- > 0;)
		if (waitpid(left.pids[i], NULL, WNOHANG))
			left.pids[i] = left.pids[--left.count];
}

static void leave(pid_t pid)
{
	pid_t *pids = realloc(left.pids, (left.count + 1) * sizeof(*pids));

	if (!pids)
		return;
	left.pids = pids;
	left.pids[left.count++] = pid;
}

static int send_signal(const struct process *process, int number)
{
	return (int)syscall(SYS_pidfd_send_signal, process->fd, number, NULL, 0) ? errno : 0;
}

/* Notes when it has ended, and a child's status; with WNOHANG it does not wait for that. */
static void reap(struct process *process, int options)
{
	struct pollfd end = { .fd = process->fd, .events = POLLIN };
	pid_t pid;

	if (process->foreign) {
		if (poll(&end, 1, 0) > 0)
			process->state = ENDED;
		return;
	}
	do
		pid = waitpid(process->pid, &process->status, options);
	while (pid < 0 && errno == EINTR);
	if (!pid)
		return;
	process->state = ENDED;
	if (pid < 0) /* somebody ignores SIGCHLD */
		process->status = -1;
}

static void stop_waiting(struct process *process)
{
	for (struct process **at = &waiting; *at; at = &(*at)->next) {
		if (*at != process)
			continue;
		*at = process->next;
		break;
	}
	free(process->program);
	process->program = NULL;
}

static int process_release(struct handle *handle)
{
	struct process *process = (struct process *)handle;

	stop_waiting(process);
	if (process->control >= 0)
		close(process->control);
	if (process->state == WAITING && process->pid) {
		send_signal(process, SIGKILL);
		reap(process, 0);
	}
	if (process->state == STARTED)
		reap(process, WNOHANG);
	if (process->state == STARTED && !process->foreign)
		leave(process->pid);
	if (process->fd >= 0)
		close(process->fd);
	reap_left();
	return 0;
}

/* Where a program lies by PATH; "" where that takes more than a look: execvp knows the rest. */
static void find_program(const char *name, char *path, size_t size)
{
	const char *at = getenv("PATH");
	struct stat status;

	path[0] = 0;
	if (strchr(name, '/'))
		return;
	for (; at; at = strchr(at, ':') ? strchr(at, ':') + 1 : NULL) {
		int length = (int)strcspn(at, ":");

		if (at[0] != '/' || snprintf(path, size, "%.*s/%s", length, at, name) >= (int)size)
			continue;
		if (!stat(path, &status) && S_ISREG(status.st_mode) && !access(path, X_OK))
			return;
	}
	path[0] = 0;
}

/* Ends with its parent, however that ends; exec keeps it so. */
static void bind_to(pid_t parent)
{
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != parent)
		_exit(NO_EXEC);
}

/*
 * The child, which has nothing of ours but its end of the socket and the standard streams, of which
 * another one may be its input.
 */
static _Noreturn void run_child(int control, int input, const char *path, char **argv)
{
	struct sigaction action = { .sa_handler = SIG_DFL };
	sigset_t none;
	char go;
	int err;

	for (int number = 1; number < NSIG; number++)
		sigaction(number, &action, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	/* It is that already where ours is closed, and would close itself. */
	if (input >= 0 && dup2(input, STDIN_FILENO) == input)
		fcntl(input, F_SETFD, 0);
	if (control > STDERR_FILENO + 1)
		syscall(SYS_close_range, STDERR_FILENO + 1, control - 1, 0);
	syscall(SYS_close_range, control + 1, ~0u, 0);
	if (read(control, &go, 1) != 1)
		_exit(NO_EXEC);
	/* What is traced of this process begins here: the search was the parent's. */
	if (path[0])
		execv(path, argv);
	execvp(argv[0], argv);
	err = errno;
	if (write(control, &err, sizeof(err)) < 0)
		_exit(NO_EXEC);
	_exit(NO_EXEC);
}

/* Makes the child; 0 or an errno.  What was made is released with the process. */
static int launch(struct process *process, char **argv, bool bound, int input)
{
	pid_t parent = getpid();
	int ends[2], theirs, err = 0;
	sigset_t all, before;
	char path[PATH_MAX];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends))
		return errno;
	process->control = ends[0];
	/* Above the standard streams, which may be closed here. */
	theirs = fcntl(ends[1], F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	if (theirs < 0)
		err = errno;
	close(ends[1]);
	if (err)
		return err;
	find_program(argv[0], path, sizeof(path));
	/* No handler of ours runs in the child. */
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &before);
	process->pid = fork();
	if (!process->pid && bound)
		bind_to(parent);
	if (!process->pid)
		run_child(theirs, input, path, argv);
	err = process->pid < 0 ? errno : 0;
	sigprocmask(SIG_SETMASK, &before, NULL);
	close(theirs);
	if (err) {
		process->pid = 0;
		return err;
	}
	process->fd = (int)syscall(SYS_pidfd_open, process->pid, 0);
	if (process->fd >= 0) {
		process->program = strdup(path[0] ? path : argv[0]);
		process->next = waiting;
		waiting = process;
		return 0;
	}
	err = errno;
	shutdown(process->control, SHUT_RDWR); /* it ends by that */
	reap(process, 0);
	return err;
}

/*
 * core.spawn({ program, argument, … }[, bound[, silent]]) -> Process | nil, message, errno: made, and not
 * started yet; a silent one gets no input
 */
int l_spawn(lua_State *L)
{
	enum { WORDS = 1, ARGV, RESULT };
	bool bound = lua_toboolean(L, 2), silent = lua_toboolean(L, 3);
	struct process *process;
	int err, input = -1;
	size_t count;
	char **argv;

	luaL_checktype(L, WORDS, LUA_TTABLE);
	lua_settop(L, WORDS);
	count = lua_rawlen(L, WORDS);
	luaL_argcheck(L, count > 0, WORDS, "no program");
	argv = lua_newuserdatauv(L, (count + 1) * sizeof(*argv), 0);
	process = handle_new(L, PROCESS, sizeof(*process), 0);
	process->fd = process->control = -1;
	for (size_t i = 0; i < count; i++) {
		if (lua_rawgeti(L, WORDS, (lua_Integer)i + 1) != LUA_TSTRING)
			return luaL_argerror(L, WORDS, "not a list of strings");
		argv[i] = (char *)handle_check_text(L, -1); /* the list keeps it */
		lua_pop(L, 1);
	}
	argv[count] = NULL;
	reap_left();
	process->handle.release = process_release;
	if (silent)
		input = open("/dev/null", O_RDONLY | O_CLOEXEC);
	err = silent && input < 0 ? errno : launch(process, argv, bound, input);
	if (input >= 0)
		close(input);
	if (err) {
		handle_release(&process->handle);
		return handle_fail(L, err, "spawn %s", argv[0]);
	}
	lua_pushinteger(L, process->pid);
	handle_set_field(L, RESULT, "pid");
	lua_pushstring(L, argv[0]);
	handle_set_field(L, RESULT, "name");
	return 1;
}

/* core.process(pid) -> Process that others started | nil, message, errno */
int l_process(lua_State *L)
{
	lua_Integer pid = luaL_checkinteger(L, 1);
	struct process *process;

	lua_settop(L, 1);
	process = handle_new(L, PROCESS, sizeof(*process), 0);
	process->control = process->status = -1;
	process->foreign = true;
	process->state = STARTED;
	process->pid = (pid_t)pid;
	process->fd = pid == process->pid ? (int)syscall(SYS_pidfd_open, process->pid, 0) : -1;
	if (process->fd < 0)
		return handle_fail(L, pid == process->pid ? errno : ESRCH, "process %d", (int)pid);
	process->handle.release = process_release;
	lua_pushinteger(L, pid);
	handle_set_field(L, 2, "pid");
	return 1;
}

/* core.program(pid) -> what a process of ours becomes when it is started, or nil: it does not wait for that */
int l_program(lua_State *L)
{
	lua_Integer pid = luaL_checkinteger(L, 1);

	lua_pushnil(L);
	for (const struct process *one = waiting; one; one = one->next)
		if (one->pid == pid)
			lua_pushstring(L, one->program);
	return 1;
}

static const char *name_of(lua_State *L)
{
	lua_getiuservalue(L, 1, HANDLE_FIELDS);
	lua_getfield(L, -1, "name");
	return lua_tostring(L, -1);
}

/* Lets the child go; 0, or an errno: that of exec, or ESRCH when it has ended meanwhile. */
static int start(struct process *process)
{
	ssize_t got;
	int err = 0;

	if (send(process->control, "", 1, MSG_NOSIGNAL) != 1)
		err = ESRCH;
	do
		got = err ? 0 : recv(process->control, &err, sizeof(err), MSG_WAITALL);
	while (got < 0 && errno == EINTR);
	close(process->control);
	process->control = -1;
	stop_waiting(process);
	process->state = STARTED;
	if (got < 0)
		err = ESRCH;
	if (err)
		reap(process, 0);
	return err;
}

/* process:start() -> true | nil, message, errno: it is the program, or why it cannot be */
static int l_process_start(lua_State *L)
{
	struct process *process = handle_check(L, 1, PROCESS);
	int err;

	if (process->state != WAITING)
		return luaL_error(L, "process %d was started already", (int)process->pid);
	err = start(process);
	if (err)
		return handle_fail(L, err, "start %s", name_of(L));
	lua_pushboolean(L, 1);
	return 1;
}

static int push_status(lua_State *L, const struct process *process)
{
	if (process->status == -1)
		return handle_fail(L, ECHILD, "wait for process %d", (int)process->pid);
	lua_createtable(L, 0, 1);
	if (WIFEXITED(process->status)) {
		lua_pushinteger(L, WEXITSTATUS(process->status));
		lua_setfield(L, -2, "exit");
	} else {
		lua_pushinteger(L, WTERMSIG(process->status));
		lua_setfield(L, -2, "signal");
	}
	return 1;
}

/*
 * process:wait([seconds]) -> { exit = n } | { signal = n } | nil: not in that time, or a signal came |
 * nil, message, errno
 */
static int l_process_wait(lua_State *L)
{
	struct process *process = handle_check(L, 1, PROCESS);
	lua_Number seconds = luaL_optnumber(L, 2, LONGEST);
	struct pollfd end = { .fd = process->fd, .events = POLLIN };
	struct timespec limit;
	int ready;

	luaL_argcheck(L, seconds >= 0, 2, "a time is not negative");
	if (process->state == WAITING)
		return luaL_error(L, "process %d was not started: call its start() first",
				  (int)process->pid);
	if (process->state == STARTED) {
		seconds = seconds < LONGEST ? seconds : LONGEST;
		limit.tv_sec = (time_t)seconds;
		limit.tv_nsec = (long)((seconds - (lua_Number)limit.tv_sec) * 1e9);
		ready = ppoll(&end, 1, &limit, NULL);
		if (ready < 0 && errno != EINTR)
			return handle_fail(L, errno, "wait for process %d", (int)process->pid);
		if (ready > 0)
			reap(process, WNOHANG);
	}
	if (process->state == ENDED)
		return push_status(L, process);
	lua_pushnil(L);
	return 1;
}

/* process:kill([signal]) -> true | nil, message, errno; SIGTERM */
static int l_process_kill(lua_State *L)
{
	struct process *process = handle_check(L, 1, PROCESS);
	lua_Integer number = luaL_optinteger(L, 2, SIGTERM);
	int err;

	luaL_argcheck(L, number >= 0 && number < NSIG, 2, "no such signal");
	err = process->state == ENDED ? ESRCH : send_signal(process, (int)number);
	if (err)
		return handle_fail(L, err, "send signal %d to process %d", (int)number,
				   (int)process->pid);
	lua_pushboolean(L, 1);
	return 1;
}

/* process:started() -> whether it was */
static int l_process_started(lua_State *L)
{
	struct process *process = handle_check(L, 1, PROCESS);

	lua_pushboolean(L, process->state != WAITING);
	return 1;
}

/* process:running() -> whether it was started and has not ended */
static int l_process_running(lua_State *L)
{
	struct process *process = handle_check(L, 1, PROCESS);

	if (process->state == STARTED)
		reap(process, WNOHANG);
	lua_pushboolean(L, process->state == STARTED);
	return 1;
}

void spawn_register(lua_State *L)
{
	static const luaL_Reg methods[] = {
		{ "kill", l_process_kill },   { "running", l_process_running },
		{ "start", l_process_start }, { "started", l_process_started },
		{ "wait", l_process_wait },   { NULL, NULL },
	};

	handle_class(L, PROCESS, methods);
}
