;;! loops inline
;; Accessors are compiled in place of their calls: the loop calls nothing, so it keeps its locals in registers, and the
;; receiver stays where it is. One that leaves early is a block; its result arrives in a register.
(module
  (type $ints (array (mut i32)))
  (type $list (struct (field $size (mut i32)) (field $ints (ref $ints))))
  (func $size (param (ref $list)) (result i32) (struct.get $list $size (local.get 0)))
  (func $get (param (ref $list) i32) (result i32)
    (if (i32.ge_u (local.get 1) (call $size (local.get 0))) (then (return (i32.const -1))))
    (array.get $ints (struct.get $list $ints (local.get 0)) (local.get 1)))
  (func (export "run") (param $list (ref $list)) (result i32) (local $sum i32) (local $at i32)
    (loop $next
      (local.set $sum (i32.add (local.get $sum) (call $get (local.get $list) (local.get $at))))
      (local.set $at (i32.add (local.get $at) (i32.const 1)))
      (br_if $next (i32.lt_u (local.get $at) (call $size (local.get $list)))))
    (local.get $sum)))
;; Code of "run", its loops of 76 bytes:
;; L1:
;;     cmp rsp, [r15-0x10]
;;     jb slow1
;; L2:
;;     mov eax, edi
;;     mov ecx, [r15+rsi*4+4]
;;     cmp ebx, ecx
;;     jb L3
;;     mov ecx, 0xFFFFFFFF
;;     jmp L4
;; L3:
;;     mov ecx, [r15+rsi*4+8]
;;     cmp ebx, [r15+rcx*4+4]
;;     jae trap ArrayOutOfBounds
;;     lea r11, [rcx+rbx]
;;     mov ecx, [r15+r11*4+8]
;; L4:
;;     mov edi, eax
;;     add edi, ecx
;;     add ebx, 1
;;     mov eax, [r15+rsi*4+4]
;;     cmp ebx, eax
;;     jb L1
