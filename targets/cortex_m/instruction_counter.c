/* Counts instructions: the emulator calls this before each one that it executes. In C because a Python hook takes a hundred times
 * as long as the instruction. The arguments are those of Unicorn's code hook (unicorn/unicorn.h, uc_cb_hookcode_t). */
#include <stdint.h>

void count_instruction(void *engine, uint64_t address, uint32_t size, void *counter) {
    (void)engine;
    (void)address;
    (void)size;
    ++*(uint64_t *)counter;
}
