/* hangup TERMINAL - hangs it up, as its driver does when the carrier is lost. */
#include <fcntl.h>
#include <stdio.h>
#include <sys/ioctl.h>

#ifndef TIOCVHANGUP
#define TIOCVHANGUP 0x5437
#endif

int main(int argc, char **argv)
{
	if (argc != 2) return 2;
	int fd = open(argv[1], O_RDWR | O_NOCTTY | O_NONBLOCK);
	if (fd < 0 || ioctl(fd, TIOCVHANGUP)) return perror(argv[1]), 1;
	return 0;
}
