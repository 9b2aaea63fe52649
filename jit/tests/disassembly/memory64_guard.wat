;;! loops memory64-guard
;; A 64-bit memory with a guarded reservation: the address is compared with its reach, what lies within faults.
(module
  (memory i64 1)
  (func (export "run") (param $n i64) (result i64) (local $sum i64)
    (loop $again
      (local.set $sum (i64.add (local.get $sum) (i64.load offset=8 (local.get $n))))
      (local.set $n (i64.sub (local.get $n) (i64.const 8)))
      (br_if $again (i64.ne (local.get $n) (i64.const 0))))
    (local.get $sum)))
;; Code of "run", its loops of 40 bytes:
;; L1:
;;     cmp rsp, [r15-0x10]
;;     jb slow1
;; L2:
;;     mov r11, rbx
;;     shr r11, 0x24
;;     jne trap MemoryOutOfBounds
;;     mov rax, [r13+rbx+8]                        ; may trap: MemoryOutOfBounds
;;     add rax, rsi
;;     mov rsi, rax
;;     sub rbx, 8
;;     jne L1
