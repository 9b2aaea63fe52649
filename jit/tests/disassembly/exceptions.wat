;;! loops
;; `try_table` costs nothing until something is thrown: the handler's address stands beside the safe point.
(module
  (tag $wrong (param i32))
  (func $may_throw (param i32)
    (if (i32.lt_s (local.get 0) (i32.const 0)) (then (throw $wrong (local.get 0)))))
  (func (export "run") (param $n i32) (result i32) (local $caught i32)
    (loop $again
      (block $handler (result i32)
        (try_table (catch $wrong $handler) (call $may_throw (local.get $n)))
        (i32.const 0))
      (local.set $caught (i32.add (local.get $caught)))
      (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (local.get $caught)))
;; Code of "run", its loops of 42 bytes:
;; L1:
;;     cmp rsp, [r15-0x10]
;;     jb slow1
;; L2:
;;     mov eax, ebx
;;     mov r14, [rbp-8]
;;     call qword [rel constant]                   ; slot of function 0, safe point: 0 slots, registers 0x0, with a handler
;;     mov ecx, 0
;;     mov r14, [rbp-8]
;; L3:
;;     add ecx, r10d
;;     mov r10d, ecx
;;     sub ebx, 1
;;     jne L1
