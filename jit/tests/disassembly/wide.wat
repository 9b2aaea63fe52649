;;! loops
;; 128-bit arithmetic: carries go from instruction to instruction in flags.
(module
  (func (export "run") (param $low i64) (param $high i64) (param $n i32) (result i64)
    (loop $again
      (i64.add128 (local.get $low) (local.get $high) (i64.const 1) (i64.const 0))
      (local.set $high)
      (local.set $low)
      (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (local.get $high)))
;; Code of "run", its loops of 36 bytes:
;; L1:
;;     cmp rsp, [r15-0x10]
;;     jb slow1
;; L2:
;;     mov rax, rsi
;;     mov rcx, rdi
;;     add rax, 1
;;     adc rcx, 0
;;     mov rdi, rcx
;;     mov rsi, rax
;;     sub r8d, 1
;;     jne L1
