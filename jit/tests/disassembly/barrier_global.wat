;;! loops
;; A reference stored into a global.
(module
  (type $cell (struct))
  (global $kept (mut (ref null $cell)) (ref.null $cell))
  (func (export "run") (param $cell (ref null $cell)) (param $n i32)
    (loop $again
      (global.set $kept (local.get $cell))
      (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))))
;; Code of "run", its loops of 30 bytes:
;; L1:
;;     cmp rsp, [r15-0x10]
;;     jb slow1
;; L2:
;;     cmp dword [r14+0x1C], 0
;;     je slow2
;; L3:
;;     mov [r14+0x18], edi
;;     sub esi, 1
;;     jne L1
