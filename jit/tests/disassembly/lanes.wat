;;! loops
;; Lanes of vectors: a shuffle by a constant mask, a splat, a lane that is taken out.
(module
  (func (export "run") (param $v v128) (param $n i32) (result i32) (local $sum i32)
    (loop $again
      (local.set $v (i8x16.shuffle 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 0 (local.get $v) (local.get $v)))
      (local.set $v (i32x4.add (local.get $v) (i32x4.splat (local.get $n))))
      (local.set $sum (i32.add (local.get $sum) (i32x4.extract_lane 2 (local.get $v))))
      (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (local.get $sum)))
;; Code of "run", its loops of 45 bytes:
;; L1:
;;     cmp rsp, [r15-0x10]
;;     jb slow1
;; L2:
;;     vpalignr xmm5, xmm5, xmm5, 1
;;     vmovd xmm15, ebx
;;     vpshufd xmm0, xmm15, 0
;;     vpaddd xmm5, xmm5, xmm0
;;     vpextrd eax, xmm5, 2
;;     add eax, esi
;;     mov esi, eax
;;     sub ebx, 1
;;     jne L1
