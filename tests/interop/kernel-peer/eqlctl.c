/* eqlctl - the calls of the Linux eql driver, as <linux/if_eql.h> has them.
 *   eqlctl enslave MASTER SLAVE BPS      eqlctl emancipate MASTER SLAVE
 *   eqlctl getslave MASTER SLAVE         eqlctl setslave MASTER SLAVE BPS
 *   eqlctl getmaster MASTER              eqlctl setmaster MASTER MAX MIN                                   */
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <linux/sockios.h>
#include <linux/if_eql.h>

/* Exits with errno and says so, if the driver refuses. */
static void call(const char *master, unsigned long request, void *data)
{
	struct ifreq ifr = { 0 };
	strncpy(ifr.ifr_name, master, IFNAMSIZ - 1);
	ifr.ifr_data = data;
	if (ioctl(socket(AF_INET, SOCK_DGRAM, 0), request, &ifr) == 0) return;
	int reason = errno;
	fprintf(stderr, "eqlctl: %s: %s\n", master, strerror(reason));
	exit(reason);
}

int main(int argc, char **argv)
{
	const char *what = argc > 2 ? argv[1] : "", *master = argv[2];
	const char *a = argc > 3 ? argv[3] : "", *b = argc > 4 ? argv[4] : "0";
	slaving_request_t slaving = { .priority = atol(b) };
	slave_config_t slave = { .priority = atol(b) };
	master_config_t config = { .max_slaves = atoi(a), .min_slaves = atoi(b) };
	strncpy(slaving.slave_name, a, sizeof slaving.slave_name - 1);
	strncpy(slave.slave_name, a, sizeof slave.slave_name - 1);
	if (!strcmp(what, "enslave")) call(master, EQL_ENSLAVE, &slaving);
	else if (!strcmp(what, "emancipate")) call(master, EQL_EMANCIPATE, &slaving);
	else if (!strcmp(what, "setslave")) call(master, EQL_SETSLAVECFG, &slave);
	else if (!strcmp(what, "setmaster")) call(master, EQL_SETMASTRCFG, &config);
	else if (!strcmp(what, "getslave")) {
		call(master, EQL_GETSLAVECFG, &slave);
		printf("%ld\n", slave.priority);
	} else if (!strcmp(what, "getmaster")) {
		call(master, EQL_GETMASTRCFG, &config);
		printf("%d %d\n", config.max_slaves, config.min_slaves);
	} else {
		fprintf(stderr, "usage: eqlctl CALL MASTER ... (see the source)\n");
		return 2;
	}
	return 0;
}
