;;! loops
;; Two locals and a counter live in registers for the whole loop, and its condition is one compare and one branch.
(module
  (func (export "run") (param $n i32) (result i32) (local $sum i32)
    (loop $again
      (local.set $sum (i32.add (local.get $sum) (local.get $n)))
      (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (local.get $sum)))
;; Code of "run", its loops of 17 bytes:
;; L1:
;;     cmp rsp, [r15-0x10]
;;     jb slow1
;; L2:
;;     add esi, ebx
;;     sub ebx, 1
;;     jne L1
