;;! loops
;; A reference stored into a field: the object's header says whether it is logged already; only then is nothing to do.
(module
  (type $node (struct (field $next (mut (ref null $node)))))
  (func (export "run") (param $from (ref $node)) (param $to (ref null $node)) (param $n i32)
    (loop $again
      (struct.set $node $next (local.get $from) (local.get $to))
      (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))))
;; Code of "run", its loops of 31 bytes:
;; L1:
;;     cmp rsp, [r15-0x10]
;;     jb slow1
;; L2:
;;     test byte [r15+rdi*4], 2
;;     jne slow2
;; L3:
;;     mov [r15+rdi*4+4], r8d
;;     sub esi, 1
;;     jne L1
