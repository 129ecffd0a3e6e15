/* attaching: a program for thousands of sites, which does nothing there. */
#include "kernel.h"

SEC("uprobe.multi")
int nothing(void *context)
{
	(void)context;
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
