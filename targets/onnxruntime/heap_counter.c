/* Counts the heap exactly: preloaded before libc, it adds up what malloc really hands out (malloc_usable_size), live and peak.
 *
 * Goes in: every allocation of the process, on any thread. Comes out: heap_live_bytes(), heap_peak_bytes(), and
 * heap_reset_peak(), which starts a new peak at what is live. Why: a resident set is counted in pages that were touched and in
 * blocks that the allocator keeps; these figures repeat to the byte. The same source serves x86-64 and aarch64, native or emulated.
 *
 * dlsym may allocate before the real functions are known; such calls are served from a small arena and never freed.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <malloc.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

static void *(*real_malloc)(size_t);
static void *(*real_calloc)(size_t, size_t);
static void *(*real_realloc)(void *, size_t);
static void (*real_free)(void *);
static int (*real_posix_memalign)(void **, size_t, size_t);
static void *(*real_memalign)(size_t, size_t);

static long live_bytes, peak_bytes;

static _Alignas(16) char early[65536];
static size_t early_used;
static int resolving;

static int is_early(const void *block) { return (const char *)block >= early && (const char *)block < early + sizeof early; }

static void *allocate_early(size_t size) {
    size_t start = early_used;
    early_used += (size + 15) & ~(size_t)15;
    return early_used <= sizeof early ? early + start : NULL;
}

static int ready(void) {
    if (real_free) return 1;
    if (resolving) return 0;
    resolving = 1;
    real_malloc = dlsym(RTLD_NEXT, "malloc");
    real_calloc = dlsym(RTLD_NEXT, "calloc");
    real_realloc = dlsym(RTLD_NEXT, "realloc");
    real_posix_memalign = dlsym(RTLD_NEXT, "posix_memalign");
    real_memalign = dlsym(RTLD_NEXT, "memalign");
    real_free = dlsym(RTLD_NEXT, "free");
    resolving = 0;
    return 1;
}

static void *counted(void *block) {
    if (!block) return block;
    long now = __atomic_add_fetch(&live_bytes, (long)malloc_usable_size(block), __ATOMIC_RELAXED);
    long peak = __atomic_load_n(&peak_bytes, __ATOMIC_RELAXED);
    while (now > peak && !__atomic_compare_exchange_n(&peak_bytes, &peak, now, 1, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
    }
    return block;
}

static void discounted(long size) { __atomic_sub_fetch(&live_bytes, size, __ATOMIC_RELAXED); }

void *malloc(size_t size) { return ready() ? counted(real_malloc(size)) : allocate_early(size); }

void *calloc(size_t count, size_t size) { return ready() ? counted(real_calloc(count, size)) : allocate_early(count * size); }

void free(void *block) {
    if (!block || is_early(block)) return;
    if (!ready()) return;
    discounted((long)malloc_usable_size(block));
    real_free(block);
}

void *realloc(void *block, size_t size) {
    if (!block) return malloc(size);
    if (is_early(block)) {
        void *moved = malloc(size);
        size_t rest = (size_t)(early + sizeof early - (char *)block);
        if (moved) memcpy(moved, block, size < rest ? size : rest);
        return moved;
    }
    if (!ready()) return NULL;
    long before = (long)malloc_usable_size(block);
    void *moved = real_realloc(block, size);
    if (moved || !size) discounted(before);
    return counted(moved);
}

int posix_memalign(void **block, size_t alignment, size_t size) {
    if (!ready()) return ENOMEM;
    int error = real_posix_memalign(block, alignment, size);
    if (!error) counted(*block);
    return error;
}

void *memalign(size_t alignment, size_t size) { return ready() ? counted(real_memalign(alignment, size)) : NULL; }

void *aligned_alloc(size_t alignment, size_t size) { return memalign(alignment, size); }

long heap_live_bytes(void) { return live_bytes; }
long heap_peak_bytes(void) { return peak_bytes; }
void heap_reset_peak(void) { peak_bytes = live_bytes; }
