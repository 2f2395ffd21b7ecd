/* Hides AVX-512, VNNI, bf16 and AMX from a process and its children (Linux on x86-64, LD_PRELOAD).
 *
 * ONNX Runtime has no switch for its instruction sets; like every library it asks CPUID. Here CPUID
 * traps (arch_prctl(ARCH_SET_CPUID, 0)), and the trap answers without those bits. */
#define _GNU_SOURCE
#include <signal.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#define ARCH_SET_CPUID 0x1012
#define EBX7 (1u << 16 | 1u << 17 | 1u << 21 | 1u << 26 | 1u << 27 | 1u << 28 | 1u << 30 | 1u << 31)
#define ECX7 (1u << 1 | 1u << 6 | 1u << 11 | 1u << 12 | 1u << 14)
#define EDX7 (1u << 2 | 1u << 3 | 1u << 8 | 1u << 22 | 1u << 23 | 1u << 24 | 1u << 25)
#define EAX71 (1u << 4 | 1u << 5)

static struct sigaction before;

static void answer(int number, siginfo_t *info, void *context) {
    greg_t *r = ((ucontext_t *)context)->uc_mcontext.gregs;
    const uint8_t *at = (const uint8_t *)r[REG_RIP];
    if (at[0] != 0x0f || at[1] != 0xa2) { /* a real fault: as if we were not here */
        sigaction(SIGSEGV, &before, NULL);
        return;
    }
    uint32_t leaf = r[REG_RAX], sub = r[REG_RCX], a = leaf, b, c = sub, d;
    syscall(SYS_arch_prctl, ARCH_SET_CPUID, 1);
    __asm__ volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
    syscall(SYS_arch_prctl, ARCH_SET_CPUID, 0);
    if (leaf == 7 && sub == 0) b &= ~EBX7, c &= ~ECX7, d &= ~EDX7;
    if (leaf == 7 && sub == 1) a &= ~EAX71;
    r[REG_RAX] = a, r[REG_RBX] = b, r[REG_RCX] = c, r[REG_RDX] = d;
    r[REG_RIP] += 2;
}

__attribute__((constructor)) static void begin(void) {
    struct sigaction action = {.sa_sigaction = answer, .sa_flags = SA_SIGINFO | SA_NODEFER};
    if (sigaction(SIGSEGV, &action, &before) == 0) syscall(SYS_arch_prctl, ARCH_SET_CPUID, 0);
}
