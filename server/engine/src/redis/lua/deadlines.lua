-- Expires what is due, a bounded number of things in a call (the twin of `State::expire`).

-- Passes the first members that are due to `expire`, which returns what each counts for, if more than
-- one; returns how much of the batch is left.
local function expire_each(kind, left, expire)
    if left <= 0 then
        return 0
    end
    local due = redis.call('ZRANGE', key(kind), '-inf', now, 'BYSCORE', 'LIMIT', 0, left)
    for _, member in ipairs(due) do
        if left <= 0 then
            break
        end
        left = left - (expire(member) or 1)
    end
    return left
end

-- The gateway's heartbeat: renews its lease, shows it that its channel works, and expires up to a
-- batch of what is due.
Call.operation('expire', MAKE_ROOM, function()
    Gateways.renew_lease()
    Notifications.publish_heartbeat()
    Gateways.expire_due()
    local left = Gateways.end_sockets(BATCH)
    left = expire_each('due:tokens', left, Tokens.expire)
    if left > 0 then
        left = left - Outbox.expire_due(left)
    end
    if left > 0 then
        left = left - Events.drop_oldest(left, function(_, at) return at + LIMITS.event_ttl <= now end)
    end
    if left > 0 then
        left = left - Authorisations.forget_due(left)
    end
    left = expire_each('due:pointers', left, Pointers.expire)
    if left > 0 and State.moves_due_records(left) then
        left = 0
    end
    left = expire_each('due:records', left, State.expire_record)
    return left <= 0 and 'more' or 'ok'
end)
