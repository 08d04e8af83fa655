/* cable BPS LINE pty|null|LINE|modem:PATH - the cable at a guest's serial line, as slow as a real one.
 *
 * LINE.tx and LINE.rx are the guest's FIFOs. `pty`: the other end is a new pseudo-terminal, whose path is printed.
 * `null`: what the guest sends is thrown away. `modem:`: it is that terminal, with DTR on; "ready" is printed when it is open
 * and all is silent, and "hung up" when it is, which "in" answers to have it opened again. Otherwise it is another guest's line.
 * The cable lasts until standard input ends; on it, the line "out" pulls the cable (octets are lost both ways) and "in"
 * plugs it in again.
 *
 * 8N1: BPS/10 octets a second each way, 0 for no limit. An octet is passed on when its last bit would have arrived,
 * so the cable is never ahead of a real one that became busy at the same moment; after a stall of the processor it
 * catches up, for at most CATCH_UP seconds. Nothing is lost to a full buffer: octets wait where they come from, and
 * the FIFOs are made small so that the guest feels it. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#define CATCH_UP 2.0
#define TICK 0.001
#define SILENCE 0.2 /* after which modem and guest have said all of their last call */

struct direction {
	int from, to;      /* -1: nobody there */
	double rate;       /* octets a second */
	int busy;          /* octets are waiting, or were when we last looked */
	double credit;     /* octets whose time on the line is over */
	unsigned char buffer[4096];
	int length, offset; /* taken from the line, not yet accepted at the other end */
};

static int plugged = 1;
static int hung_up; /* a terminal was read to its end */

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static void say(const char *what)
{
	puts(what);
	fflush(stdout);
}

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static int open_fifo(const char *line, const char *suffix)
{
	char path[4096];
	snprintf(path, sizeof path, "%s.%s", line, suffix);
	int fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0) die(path);
	fcntl(fd, F_SETPIPE_SZ, 4096);
	return fd;
}

static int open_pty(void)
{
	int master = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	if (master < 0 || grantpt(master) || unlockpt(master)) die("posix_openpt");
	/* Held open for ever, so that a user who closes it does not hang it up. */
	int slave = open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC);
	struct termios t;
	if (slave < 0 || tcgetattr(slave, &t)) die(ptsname(master));
	cfmakeraw(&t);
	tcsetattr(slave, TCSANOW, &t);
	say(ptsname(master));
	return master;
}

/* A terminal that hangs up when its carrier is lost. -1: there is none now. */
static int open_modem(const char *path)
{
	int fd = open(path, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	struct termios t;
	if (fd < 0) return -1;
	if (tcgetattr(fd, &t) == 0) {
		cfmakeraw(&t);
		t.c_cflag &= ~CLOCAL;
		if (tcsetattr(fd, TCSANOW, &t) == 0) return fd;
	}
	close(fd);
	return -1;
}

/* Moves what may be moved. Returns for how long nothing can happen unless `p` becomes ready. */
static double turn(struct direction *d, double elapsed, struct pollfd *p)
{
	p->fd = -1;
	if (d->length > 0) {
		ssize_t n = d->to < 0 || !plugged ? d->length : write(d->to, d->buffer + d->offset, d->length);
		if (n > 0) {
			d->offset += n;
			d->length -= n;
		}
		if (d->length > 0) { /* the other end is full: time stands still */
			*p = (struct pollfd){ .fd = d->to, .events = POLLOUT };
			return 1;
		}
	} else if (d->busy && d->rate > 0) {
		d->credit += elapsed * d->rate;
		if (d->credit > d->rate * CATCH_UP) d->credit = d->rate * CATCH_UP;
	}
	if (d->from < 0) return 1;
	if (!d->busy) {
		struct pollfd look = { .fd = d->from, .events = POLLIN };
		if (poll(&look, 1, 0) != 1) {
			*p = look;
			return 1;
		}
		d->busy = 1;
		d->credit = 0;
	}
	int allowed = sizeof d->buffer;
	if (d->rate > 0) {
		if (d->credit < 1) {
			double wait = (1 - d->credit) / d->rate;
			return wait > TICK ? wait : TICK;
		}
		if (d->credit < allowed) allowed = d->credit;
	}
	ssize_t n = read(d->from, d->buffer, allowed);
	if (n <= 0) {
		d->busy = 0;
		hung_up |= n == 0 || errno == EIO;
		return 0;
	}
	d->credit -= n;
	d->length = n;
	d->offset = 0;
	return 0;
}

/* Throws away what can be read. Returns whether there was anything. */
static int discard(struct direction *d, int from)
{
	int any = d->length > 0;
	d->length = 0;
	while (read(from, d->buffer, sizeof d->buffer) > 0) any = 1;
	return any;
}

static void command(void)
{
	char text[64];
	ssize_t n = read(STDIN_FILENO, text, sizeof text - 1);
	if (n == 0) exit(0);
	if (n < 0) return;
	text[n] = 0;
	if (strstr(text, "out")) plugged = 0;
	if (strstr(text, "in")) plugged = 1;
}

int main(int argc, char **argv)
{
	if (argc != 4) {
		fprintf(stderr, "usage: cable BPS LINE pty|null|LINE|modem:PATH\n");
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	signal(SIGINT, SIG_IGN);
	double rate = atof(argv[1]) / 10;
	int tx = open_fifo(argv[2], "tx"), rx = open_fifo(argv[2], "rx");
	int far_tx = -1, far_rx = -1;
	const char *modem = strncmp(argv[3], "modem:", 6) ? NULL : argv[3] + 6;
	if (!strcmp(argv[3], "pty")) far_tx = far_rx = open_pty();
	else if (!modem && strcmp(argv[3], "null")) far_tx = open_fifo(argv[3], "tx"), far_rx = open_fifo(argv[3], "rx");
	struct direction there = { .from = tx, .to = far_rx, .rate = rate };
	struct direction back = { .from = far_tx, .to = rx, .rate = rate };
	double ready_at = HUGE_VAL;
	for (double last = now();;) {
		double t = now();
		if (ready_at < HUGE_VAL && (discard(&back, back.from) | discard(&there, tx))) ready_at = t + SILENCE;
		if (t >= ready_at) {
			ready_at = HUGE_VAL;
			say("ready");
		}
		struct pollfd p[3] = { { .fd = STDIN_FILENO, .events = POLLIN } };
		double wait = turn(&there, t - last, &p[1]), wait2 = turn(&back, t - last, &p[2]);
		last = t;
		if (hung_up) {
			close(back.from);
			there.to = back.from = -1;
			hung_up = plugged = 0;
			ready_at = HUGE_VAL;
			say("hung up");
		}
		if (modem && back.from < 0 && plugged) {
			discard(&back, rx);
			there.to = back.from = open_modem(modem);
			if (back.from >= 0) ready_at = t + SILENCE;
		}
		if ((modem && plugged && back.from < 0) || ready_at < HUGE_VAL) wait = TICK;
		if (wait2 < wait) wait = wait2;
		struct timespec limit = { .tv_sec = (time_t)wait, .tv_nsec = (long)((wait - (time_t)wait) * 1e9) };
		if (ppoll(p, 3, &limit, NULL) > 0 && p[0].revents) command();
	}
}
