;;! loops
;; A reference stored into an element: bounds, then the barrier of large and small arrays.
(module
  (type $cell (struct))
  (type $cells (array (mut (ref null $cell))))
  (func (export "run") (param $cells (ref $cells)) (param $cell (ref null $cell)) (param $n i32)
    (loop $again
      (array.set $cells (local.get $cells) (local.get $n) (local.get $cell))
      (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))))
;; Code of "run", its loops of 46 bytes:
;; L1:
;;     cmp rsp, [r15-0x10]
;;     jb slow1
;; L2:
;;     cmp ebx, [r15+rsi*4+4]
;;     jae trap ArrayOutOfBounds
;;     test byte [r15+rsi*4], 2
;;     jne slow2
;; L3:
;;     lea r11, [rsi+rbx]
;;     mov [r15+r11*4+8], edi
;;     sub ebx, 1
;;     jne L1
