/*
 * caller: makes a cheap system call for SECONDS, as often as it can or PER_SECOND times a second,
 * and prints how often it did.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define TICK 1000000 /* ns */

static long now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000000000L + time.tv_nsec;
}

int main(int argc, char **argv)
{
	double seconds = argc > 1 ? atof(argv[1]) : 1;
	long rate = argc > 2 ? atol(argv[2]) : 0, calls = 0, start = now(), time = start;

	while (time - start < (long)(seconds * 1e9)) {
		long due =
			rate ? (long)((double)(time - start) * (double)rate / 1e9) : calls + 1000;

		for (; calls < due; calls++)
			syscall(SYS_getpgid, 0);
		if (rate)
			nanosleep(&(struct timespec){ .tv_nsec = TICK }, NULL);
		time = now();
	}
	printf("%ld\n", calls);
	return 0;
}
