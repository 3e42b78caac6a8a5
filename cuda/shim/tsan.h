// What the shim tells ThreadSanitizer, where the kernels are built with it: every
// CUDA thread is a thread, and what orders their work. The rest of the shim is
// never compiled with a sanitizer.
#pragma once

#ifdef RPG_SHIM_TSAN
extern "C" {
void *__tsan_get_current_fiber();
void *__tsan_create_fiber(unsigned flags);
void __tsan_switch_to_fiber(void *fiber, unsigned flags);
void __tsan_acquire(void *address);
void __tsan_release(void *address);
}
#define TSAN(call) call
#else
#define TSAN(call) ((void)0)
#endif
