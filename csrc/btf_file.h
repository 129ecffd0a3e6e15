/*
 * btf_file: BTF out of an ELF file or a raw one, which may be anything.
 *
 * Opened once, never waited for, and checked before it is used.  No Lua.
 */
#ifndef CRUMB_BTF_FILE_H
#define CRUMB_BTF_FILE_H

#include <bpf/btf.h>
#include <stddef.h>

/*
 * Both return 0 and a btf of the caller's, or a negative errno: -ENOEXEC no ELF and no BTF,
 * -ENODATA no section .BTF, -EPROTO big-endian.  `reason` (FILE_REASON bytes) says why a path
 * cannot be opened, or is "" where the errno says it.
 */
int crumb_btf_from_file(const char *path, struct btf **btf, char *reason);
int crumb_btf_from_bytes(const void *bytes, size_t size, struct btf **btf);

#endif
