/* tcpx recv PORT > FILE        accepts one connection and takes all of it
 * tcpx send HOST PORT < FILE   sends all of it and waits until the other side has taken it and closed
 * Both print "OCTETS SECONDS" on standard error, from the connection's beginning to its end. */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

/* Copies to the end of `from`; -1 when either side fails. */
static long copy(int from, int to)
{
	char buffer[4096];
	long total = 0;
	ssize_t n;
	while ((n = read(from, buffer, sizeof buffer)) > 0) {
		for (ssize_t done = 0, k; done < n; done += k)
			if ((k = write(to, buffer + done, n - done)) <= 0) return -1;
		total += n;
	}
	return n < 0 ? -1 : total;
}

int main(int argc, char **argv)
{
	if (argc < 3) return 2;
	int receive = !strcmp(argv[1], "recv"), s = socket(AF_INET, SOCK_STREAM, 0), one = 1;
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(atoi(argv[receive ? 2 : 3])) };
	double start;
	long total;
	if (receive) {
		setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
		if (bind(s, (void *)&a, sizeof a) || listen(s, 1)) return perror("tcpx: listen"), 1;
		s = accept(s, NULL, NULL);
		start = now();
		total = copy(s, STDOUT_FILENO);
	} else {
		char byte;
		/* Whatever this machine's default is; where there is no cubic, the default will do. */
		setsockopt(s, IPPROTO_TCP, TCP_CONGESTION, "cubic", 5);
		inet_pton(AF_INET, argv[2], &a.sin_addr);
		start = now();
		if (connect(s, (void *)&a, sizeof a)) return perror("tcpx: connect"), 1;
		total = copy(STDIN_FILENO, s);
		shutdown(s, SHUT_WR);
		ssize_t n;
		while ((n = read(s, &byte, 1)) > 0);
		if (n < 0) return perror("tcpx: the other side's end"), 1; /* it has not taken all of it */
	}
	if (total < 0) return perror("tcpx: copy"), 1;
	fprintf(stderr, "%ld %.3f\n", total, now() - start);
	return 0;
}
