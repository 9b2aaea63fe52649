;;! loops
;; A list is walked: a reference is loaded, and the loop ends at null.
(module
  (type $node (struct (field $value i32) (field $next (ref null $node))))
  (func (export "run") (param $node (ref null $node)) (result i32) (local $sum i32)
    (block $end
      (loop $again
        (br_if $end (ref.is_null (local.get $node)))
        (local.set $sum (i32.add (local.get $sum) (struct.get $node $value (local.get $node))))
        (local.set $node (struct.get $node $next (local.get $node)))
        (br $again)))
    (local.get $sum)))
;; Code of "run", its loops of 34 bytes:
;; L1:
;;     cmp rsp, [r15-0x10]
;;     jb slow1
;; L2:
;;     test esi, esi
;;     je L3
;;     mov eax, [r15+rsi*4+4]
;;     add eax, edi
;;     mov edi, eax
;;     mov esi, [r15+rsi*4+8]
;;     jmp L1
