;;! loops
;; More locals than registers: those that the loop uses most are pinned, the others are operands in the frame.
(module
  (func (export "run") (param $a i32) (param $b i32) (param $c i32) (param $d i32) (param $e i32) (param $n i32) (result i32)
    (loop $again
      (local.set $a (i32.add (local.get $a) (local.get $b)))
      (local.set $b (i32.xor (local.get $b) (local.get $c)))
      (local.set $c (i32.add (local.get $c) (local.get $d)))
      (local.set $d (i32.xor (local.get $d) (local.get $e)))
      (local.set $e (i32.add (local.get $e) (local.get $a)))
      (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (i32.add (local.get $a) (local.get $e))))
;; Code of "run", its loops of 30 bytes:
;; L1:
;;     cmp rsp, [r15-0x10]
;;     jb slow1
;; L2:
;;     add ebx, r13d
;;     xor r13d, esi
;;     add esi, edi
;;     xor edi, r10d
;;     add r10d, ebx
;;     sub r8d, 1
;;     jne L1
