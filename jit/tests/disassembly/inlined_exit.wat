;;! loops inline
;; What a check throws is left to the function itself: the loop has the comparison and the load, and a call of `$get`, with
;; its parameters, out of line.
(module
  (type $ints (array (mut i32)))
  (type $list (struct (field $size (mut i32)) (field $ints (ref $ints))))
  (tag $bounds (param i32 i32))
  (func $get (param (ref $list) i32) (result i32)
    (if (i32.ge_u (local.get 1) (struct.get $list $size (local.get 0)))
      (then (throw $bounds (local.get 1) (struct.get $list $size (local.get 0)))))
    (array.get $ints (struct.get $list $ints (local.get 0)) (local.get 1)))
  (func (export "run") (param $list (ref $list)) (result i32) (local $sum i32) (local $at i32)
    (loop $next
      (local.set $sum (i32.add (local.get $sum) (call $get (local.get $list) (local.get $at))))
      (local.set $at (i32.add (local.get $at) (i32.const 1)))
      (br_if $next (i32.lt_u (local.get $at) (i32.const 100))))
    (local.get $sum)))
;; Code of "run", its loops of 68 bytes:
;; L1:
;;     cmp rsp, [r15-0x10]
;;     jb slow2
;; L2:
;;     mov eax, [rbp-0x30]
;;     mov ecx, [r15+rax*4+4]
;;     cmp ebx, ecx
;;     mov ecx, r10d
;;     jae slow0
;;     mov edx, [r15+rax*4+8]
;;     cmp ebx, [r15+rdx*4+4]
;;     jae trap ArrayOutOfBounds
;;     lea r11, [rdx+rbx]
;;     mov edx, [r15+r11*4+8]
;;     mov r10d, ecx
;;     add r10d, edx
;;     add ebx, 1
;;     cmp ebx, 0x64
;;     jb L1
