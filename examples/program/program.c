/* SPDX-License-Identifier: MIT */
/*
 * A plain C program, as for any Unix: it takes a port as its argument, greets
 * who connects, and sends each line back. It serves one client at a time, since
 * it waits for that one.
 */
#include <err.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static int listen_on(unsigned short port)
{
    const struct sockaddr_in address = {.sin_family = AF_INET,
                                        .sin_port = htons(port)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    if (fd < 0)
        err(EXIT_FAILURE, "socket");
    if (bind(fd, (const struct sockaddr *)&address, sizeof(address)) ||
        listen(fd, 10))
        err(EXIT_FAILURE, "port %u", port);
    return fd;
}

static void serve(int client)
{
    const char *greeting = getenv("GREETING");
    FILE *stream = fdopen(client, "r+");
    char line[200];

    if (!stream) {
        close(client);
        return;
    }
    fprintf(stream, "%s.\n", greeting ? greeting : "Hello");
    fflush(stream);
    while (fgets(line, sizeof(line), stream)) {
        fprintf(stream, "You said: %s", line);
        fflush(stream);
    }
    fclose(stream);
}

int main(int argc, char **argv)
{
    unsigned short port = argc > 1 ? (unsigned short)atoi(argv[1]) : 7000;
    int listener = listen_on(port);

    printf("Greeting on port %u.\n", port);
    for (;;) {
        int client = accept(listener, NULL, NULL);

        if (client >= 0)
            serve(client);
    }
}
