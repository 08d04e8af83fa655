/* udpx HOST PORT PAYLOAD PPS COUNT - datagrams of one size at a constant rate; prints how many the kernel took. */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>

int main(int argc, char **argv)
{
	if (argc != 6) return 2;
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(atoi(argv[2])) };
	inet_pton(AF_INET, argv[1], &a.sin_addr);
	static char payload[65536];
	int s = socket(AF_INET, SOCK_DGRAM, 0), length = atoi(argv[3]), taken = 0;
	double rate = atof(argv[4]);
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	double start = t.tv_sec + t.tv_nsec / 1e9;
	for (int i = 0, count = atoi(argv[5]); i < count; i++) {
		double due = start + i / rate;
		t.tv_sec = (time_t)due;
		t.tv_nsec = (long)((due - (double)t.tv_sec) * 1e9);
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
		if (sendto(s, payload, length, 0, (void *)&a, sizeof a) == length) taken++;
	}
	printf("%d\n", taken);
	return 0;
}
