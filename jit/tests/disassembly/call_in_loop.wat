;;! loops
;; A loop that calls: its locals lie in the frame, the callee's code is reached through its slot, and the loop polls.
(module
  (func $next (param i32) (result i32) (i32.add (i32.mul (local.get 0) (i32.const 5)) (i32.const 1)))
  (func (export "run") (param $n i32) (result i32) (local $x i32)
    (loop $again
      (local.set $x (call $next (local.get $x)))
      (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (local.get $x)))
;; Code of "run", its loops of 30 bytes:
;; L1:
;;     cmp rsp, [r15-0x10]
;;     jb slow1
;; L2:
;;     mov eax, ebx
;;     mov r14, [rbp-8]
;;     call qword [rel constant]                   ; slot of function 0, safe point: 0 slots, registers 0x0
;;     mov ebx, eax
;;     sub r10d, 1
;;     jne L1
