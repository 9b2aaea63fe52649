;;! loops
;; Atomic instructions of a shared memory: alignment is checked.
(module
  (memory 1 1 shared)
  (func (export "run") (param $n i32) (result i32) (local $old i32)
    (loop $again
      (local.set $old (i32.atomic.rmw.add (i32.const 64) (local.get $n)))
      (local.set $old (i32.atomic.rmw.cmpxchg (local.get $n) (local.get $old) (i32.const 1)))
      (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 4)))))
    (local.get $old)))
;; Code of "run", its loops of 58 bytes:
;; L1:
;;     cmp rsp, [r15-0x10]
;;     jb slow1
;; L2:
;;     mov eax, ebx
;;     lock xadd [r13+0x40], eax                   ; may trap: MemoryOutOfBounds
;;     mov r10d, eax
;;     test bl, 3
;;     jne trap UnalignedAtomic
;;     lea r11, [r13+rbx]
;;     mov eax, 1
;;     mov ecx, eax
;;     mov eax, r10d
;;     lock cmpxchg [r11], ecx                     ; may trap: MemoryOutOfBounds
;;     mov r10d, eax
;;     sub ebx, 4
;;     jne L1
