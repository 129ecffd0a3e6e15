/*
 * log: what libbpf prints, kept in memory instead of on stderr.
 *
 * The callback runs anywhere libbpf does, from __gc too, so it only copies bytes
 * into a bounded buffer; whoever fails reads the end of it into the error.
 */
#ifndef CRUMB_LOG_H
#define CRUMB_LOG_H

/* Takes over libbpf's printing; twice does no harm. */
void crumb_log_install(void);

/* Forgets what was printed: call it before an operation whose failure will be reported. */
void crumb_log_reset(void);

/* The end of what libbpf printed since the reset, without "libbpf: "; "" when nothing. */
const char *crumb_log_text(void);

/* strerror, and libbpf's own codes from 4000 on. */
const char *crumb_log_errno(int err);

#endif
