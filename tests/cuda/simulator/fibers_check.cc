// Two fibers that take turns: prints "a0 b0 a1 b1 a2 b2 done".
#include <stdio.h>

#include "fibers.h"

static sf::Fiber whole, a, b;
static char stacks[2][64 << 10];

static void speak(char name, sf::Fiber& self, sf::Fiber& next) {
    for (int turn = 0; turn < 3; turn++) {
        printf("%c%d ", name, turn);
        sf::switch_fibers(self, turn == 2 && name == 'b' ? whole : next);
    }
}
static void run_a() { speak('a', a, b); }
static void run_b() { speak('b', b, a); }

int main() {
    sf::prepare(a, stacks[0], sizeof stacks[0], run_a);
    sf::prepare(b, stacks[1], sizeof stacks[1], run_b);
    sf::switch_fibers(whole, a);
    puts("done");
}
