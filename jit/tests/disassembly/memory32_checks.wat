;;! loops memory32-checks
;; A 32-bit memory without a guarded reservation: each access is compared with the memory's length.
(module
  (memory 1)
  (func (export "run") (param $n i32) (result i64) (local $sum i64)
    (loop $again
      (local.set $sum (i64.add (local.get $sum) (i64.load offset=8 (local.get $n))))
      (i32.store8 offset=4 (local.get $n) (i32.const 1))
      (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 8)))))
    (local.get $sum)))
;; Code of "run", its loops of 86 bytes:
;; L1:
;;     cmp rsp, [r15-0x10]
;;     jb slow1
;; L2:
;;     mov r11, [r14+0x20]
;;     mov r11, [r11+8]
;;     sub r11, 0x10
;;     jb trap MemoryOutOfBounds
;;     cmp rbx, r11
;;     ja trap MemoryOutOfBounds
;;     mov rax, [r13+rbx+8]                        ; may trap: MemoryOutOfBounds
;;     add rax, rsi
;;     mov rsi, rax
;;     mov r11, [r14+0x20]
;;     mov r11, [r11+8]
;;     sub r11, 5
;;     jb trap MemoryOutOfBounds
;;     cmp rbx, r11
;;     ja trap MemoryOutOfBounds
;;     mov byte [r13+rbx+4], 1                     ; may trap: MemoryOutOfBounds
;;     sub ebx, 8
;;     jne L1
