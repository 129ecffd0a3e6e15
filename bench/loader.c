/*
 * loader: the plain C loader that crumb's start is compared with; loader.lua does the same.
 *
 * Opens and loads an object, attaches its program to a tracepoint with a cookie, writes a byte,
 * and stays until its input ends.
 */
#include <bpf/libbpf.h>
#include <stdio.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	LIBBPF_OPTS(bpf_tracepoint_opts, options, .bpf_cookie = 1);
	struct bpf_object *object;
	struct bpf_program *program;
	char end;

	object = argc == 4 ? bpf_object__open_file(argv[1], NULL) : NULL;
	if (!object || bpf_object__load(object))
		return 1;
	program = bpf_object__find_program_by_name(object, "count");
	if (!program || !bpf_program__attach_tracepoint_opts(program, argv[2], argv[3], &options))
		return 1;
	if (write(STDOUT_FILENO, "", 1) != 1)
		return 1;
	return read(STDIN_FILENO, &end, 1) != 0;
}
