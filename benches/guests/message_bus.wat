;; A message bus: 2,000 sessions that live long, 256 topics with 16 subscribers each. Publishing makes one message that
;; all subscribers share, and an envelope in the inbox of each; full inboxes are read in part. Every 500th message a
;; session ends and another takes its place, so that long-lived objects die too.
;;
;; init() makes the sessions; step(ops) publishes ops messages; run(n) does both with n messages.
(module $message_bus
  (rec
    (type $session (struct (field $id i32) (field $first (mut (ref null $envelope)))
      (field $last (mut (ref null $envelope))) (field $waiting (mut i32)) (field $read (mut i64))))
    (type $envelope (struct (field $message (ref $message)) (field $next (mut (ref null $envelope)))))
    (type $message (struct (field $number i32) (field $topic i32) (field $words (ref $words))))
    (type $words (array (mut i32))))
  (type $sessions (array (mut (ref null $session))))

  (global $sessions (mut (ref null $sessions)) (ref.null $sessions))
  (global $made (mut i32) (i32.const 0))
  (global $published (mut i32) (i32.const 0))
  ;; xorshift64; a number below $end
  (global $seed (mut i64) (i64.const 0))
  (func $random (param $end i32) (result i32) (local $x i64)
    (local.set $x (i64.xor (global.get $seed) (i64.shl (global.get $seed) (i64.const 13))))
    (local.set $x (i64.xor (local.get $x) (i64.shr_u (local.get $x) (i64.const 7))))
    (local.set $x (i64.xor (local.get $x) (i64.shl (local.get $x) (i64.const 17))))
    (global.set $seed (local.get $x))
    (i32.rem_u (i32.wrap_i64 (i64.shr_u (local.get $x) (i64.const 33))) (local.get $end)))

  ;; sum * 31 + value
  (func $mix (param $value i64)
    (global.set $sum (i64.add (i64.mul (global.get $sum) (i64.const 31)) (local.get $value))))
  (global $sum (mut i64) (i64.const 0))

  (func $new_session (result (ref $session))
    (global.set $made (i32.add (global.get $made) (i32.const 1)))
    (struct.new $session (global.get $made) (ref.null $envelope) (ref.null $envelope) (i32.const 0) (i64.const 0)))

  ;; subscriber number k of a topic: place (topic * 7 + k * 125) mod 2000 of the sessions
  (func $subscriber (param $topic i32) (param $k i32) (result (ref $session))
    (ref.as_non_null (array.get $sessions (global.get $sessions)
      (i32.rem_u (i32.add (i32.mul (local.get $topic) (i32.const 7)) (i32.mul (local.get $k) (i32.const 125)))
        (i32.const 2000)))))

  (func $read_half (param $session (ref $session)) (local $left i32) (local $message (ref null $message))
    (local.set $left (i32.const 25))
    (loop $more
      (local.set $message (struct.get $envelope $message (struct.get $session $first (local.get $session))))
      (struct.set $session $read (local.get $session)
        (i64.add (struct.get $session $read (local.get $session))
          (i64.extend_i32_u (i32.add (struct.get $message $number (local.get $message))
            (array.get $words (struct.get $message $words (local.get $message)) (i32.const 1))))))
      (struct.set $session $first (local.get $session)
        (struct.get $envelope $next (struct.get $session $first (local.get $session))))
      (local.set $left (i32.sub (local.get $left) (i32.const 1)))
      (br_if $more (local.get $left)))
    (struct.set $session $waiting (local.get $session)
      (i32.sub (struct.get $session $waiting (local.get $session)) (i32.const 25)))
    (call $mix (struct.get $session $read (local.get $session))))

  (func $deliver (param $session (ref $session)) (param $message (ref $message)) (local $envelope (ref $envelope))
    (local.set $envelope (struct.new $envelope (local.get $message) (ref.null $envelope)))
    (if (ref.is_null (struct.get $session $first (local.get $session)))
      (then (struct.set $session $first (local.get $session) (local.get $envelope)))
      (else (struct.set $envelope $next (struct.get $session $last (local.get $session)) (local.get $envelope))))
    (struct.set $session $last (local.get $session) (local.get $envelope))
    (struct.set $session $waiting (local.get $session)
      (i32.add (struct.get $session $waiting (local.get $session)) (i32.const 1)))
    (if (i32.eq (struct.get $session $waiting (local.get $session)) (i32.const 50))
      (then (call $read_half (local.get $session)))))

  (func $publish (local $topic i32) (local $k i32) (local $message (ref $message))
    (global.set $published (i32.add (global.get $published) (i32.const 1)))
    (local.set $topic (call $random (i32.const 256)))
    (local.set $message (struct.new $message (global.get $published) (local.get $topic)
      (array.new $words (i32.xor (local.get $topic) (global.get $published))
        (i32.add (i32.const 4) (call $random (i32.const 16))))))
    (loop $more
      (call $deliver (call $subscriber (local.get $topic) (local.get $k)) (local.get $message))
      (local.set $k (i32.add (local.get $k) (i32.const 1)))
      (br_if $more (i32.lt_u (local.get $k) (i32.const 16))))
    (if (i32.eqz (i32.rem_u (global.get $published) (i32.const 500)))
      (then (array.set $sessions (global.get $sessions) (call $random (i32.const 2000)) (call $new_session)))))

  (func $init (export "init") (local $at i32)
    (global.set $seed (i64.const 88172645463325252))
    (global.set $sum (i64.const 0))
    (global.set $made (i32.const 0))
    (global.set $published (i32.const 0))
    (global.set $sessions (array.new_default $sessions (i32.const 2000)))
    (loop $more
      (array.set $sessions (global.get $sessions) (local.get $at) (call $new_session))
      (local.set $at (i32.add (local.get $at) (i32.const 1)))
      (br_if $more (i32.lt_u (local.get $at) (i32.const 2000)))))

  (func $step (export "step") (param $ops i32) (result i64)
    (loop $more
      (if (i32.gt_s (local.get $ops) (i32.const 0))
        (then
          (call $publish)
          (local.set $ops (i32.sub (local.get $ops) (i32.const 1)))
          (br $more))))
    (global.get $sum))

  (func (export "run") (param $n i32) (result i64) (local $at i32)
    (call $init)
    (drop (call $step (local.get $n)))
    (loop $more
      (call $mix (i64.add
        (struct.get $session $read (array.get $sessions (global.get $sessions) (local.get $at)))
        (i64.extend_i32_u (i32.add
          (struct.get $session $waiting (array.get $sessions (global.get $sessions) (local.get $at)))
          (struct.get $session $id (array.get $sessions (global.get $sessions) (local.get $at)))))))
      (local.set $at (i32.add (local.get $at) (i32.const 1)))
      (br_if $more (i32.lt_u (local.get $at) (i32.const 2000))))
    (global.set $sessions (ref.null $sessions))
    (global.get $sum)))
