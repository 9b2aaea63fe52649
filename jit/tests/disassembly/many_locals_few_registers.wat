;;! loops few-registers
;; Instructions get no more registers than are left beside the most pinned locals (`-T few-registers=y`).
(module
  (func (export "run") (param $a i64) (param $b i64) (param $c i32) (param $n i32) (result i64)
    (loop $again
      (local.set $a
        (i64.rotl (select (local.get $a) (i64.shr_u (local.get $b) (local.get $a)) (local.get $c))
          (i64.mul (i64.add (local.get $a) (i64.const 3)) (i64.xor (local.get $b) (i64.const 5)))))
      (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (local.get $a)))
;; Code of "run", its loops of 61 bytes:
;; L1:
;;     cmp rsp, [r15-0x10]
;;     jb slow1
;; L2:
;;     mov rcx, rbx
;;     mov rax, rsi
;;     shr rax, cl
;;     test r8d, r8d
;;     mov rcx, rbx
;;     cmove rcx, rax
;;     lea rax, [rbx+3]
;;     mov rdx, rsi
;;     xor rdx, 5
;;     imul rdx, rax
;;     mov rax, rcx
;;     mov rcx, rdx
;;     mov rbx, rax
;;     rol rbx, cl
;;     sub edi, 1
;;     jne L1
