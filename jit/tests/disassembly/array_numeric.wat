;;! loops
;; Elements of numeric arrays: one compare with the length, one access.
(module
  (type $bytes (array (mut i8)))
  (type $doubles (array (mut f64)))
  (func (export "run") (param $bytes (ref null $bytes)) (param $doubles (ref null $doubles)) (param $n i32)
    (loop $again
      (array.set $bytes (local.get $bytes) (local.get $n)
        (i32.add (array.get_s $bytes (local.get $bytes) (local.get $n)) (i32.const 3)))
      (array.set $doubles (local.get $doubles) (local.get $n)
        (f64.mul (array.get $doubles (local.get $doubles) (local.get $n)) (f64.const 0.5)))
      (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))))
;; Code of "run", its loops of 111 bytes:
;; L1:
;;     cmp rsp, [r15-0x10]
;;     jb slow1
;; L2:
;;     cmp ebx, [r15+rsi*4+4]                      ; may trap: NullArray
;;     jae trap ArrayOutOfBounds
;;     lea r11, [r15+rsi*4]
;;     movsx eax, byte [r11+rbx+8]
;;     add eax, 3
;;     cmp ebx, [r15+rsi*4+4]                      ; may trap: NullArray
;;     jae trap ArrayOutOfBounds
;;     lea r11, [r15+rsi*4]
;;     mov [r11+rbx+8], al
;;     cmp ebx, [r15+rdi*4+4]                      ; may trap: NullArray
;;     jae trap ArrayOutOfBounds
;;     lea r11, [r15+rdi*4]
;;     movsd xmm0, [r11+rbx*8+8]
;;     mulsd xmm0, [rel constant]
;;     cmp ebx, [r15+rdi*4+4]                      ; may trap: NullArray
;;     jae trap ArrayOutOfBounds
;;     lea r11, [r15+rdi*4]
;;     movsd [r11+rbx*8+8], xmm0
;;     sub ebx, 1
;;     jne L1
