"""Which instance is called when, and what follows: the way of a wId to its outcome.

Files are of this folder, unless another is named.

    ../pool.py SessionPool.fetch       ../stream.py OutcomeStream._feed
      one wId                            many, of which max_pending have no outcome
                         |
    router.py Router.route: the dispatcher of the instance's gateway
                         |
    dispatcher.py Dispatcher.request: a Job (jobs.py), shared by all that ask for the wId
                         |
    READY     rotation.py QueueRotation.take: the queues of consumers in turn, while
              availability.py Availability.admits (circuit_breaker.py, pace.py)
                         |
    CALLING   slots.py Slots.start: while one is free
              ../_http/direct.py DirectClient.send: on a connection that is kept, or a new one
              ../_http/connection.py Connection.buffer_updated: reads the reply in place; what
              is unusual, aiohttp does (../_http/link.py Link.hand_over)
                         |
              dispatcher.py Dispatcher.received or, without a reply, Dispatcher.after_failed_call
                         |
    RECEIVED  ../_decoding/queue.py DecodeQueue.decode_next: some milliseconds a tick
              ../_decoding/reply.py ReplyDecoder.decode; where that fails,
              ../_decoding/salvage.py DamagedReplyDecoder.decode
                         |
              answers.py Answers.after_reply: what it means for the gateway
              progress.py InstanceProgress.after_reply: what it means for the instance
                         |
              dispatcher.py Dispatcher.follow, by the step that follows:
    WAITING     CallAgain: a timer (Dispatcher._wait), then READY; Requeue: READY at once
    ENDED       Fetched, Failed: Consumer.deliver, to fetch or to the stream's inbox
"""
