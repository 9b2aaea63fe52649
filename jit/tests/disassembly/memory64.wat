;;! loops
;; A 64-bit memory whose bounds are compared.
(module
  (memory i64 1)
  (func (export "run") (param $n i64) (result i64) (local $sum i64)
    (loop $again
      (local.set $sum (i64.add (local.get $sum) (i64.load offset=8 (local.get $n))))
      (local.set $n (i64.sub (local.get $n) (i64.const 8)))
      (br_if $again (i64.ne (local.get $n) (i64.const 0))))
    (local.get $sum)))
;; Code of "run", its loops of 54 bytes:
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
;;     sub rbx, 8
;;     jne L1
