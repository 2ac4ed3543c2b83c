-- The conversation: what the operator sends, what the prospect acknowledges and says.

-- The answer to an earlier request with this idempotency key.
function Idempotency.find(device, request, body)
    local found = redis.call('HGET', key('idempotency', device), request)
    if not found then
        return nil
    end
    local expires_at, seq, connected = string.match(found, '^(%d+) (%d+) (%d) ')
    if tonumber(expires_at) <= now then
        return nil
    end
    -- The rest is the digest of the body, which may hold any byte.
    local is_same = string.sub(found, #expires_at + #seq + #connected + 4) == body
    return { is_same = is_same, seq = tonumber(seq), connected = tonumber(connected) }
end

-- How long until there is room for one more key, in milliseconds, where there is none.
function Idempotency.until_room(device)
    local due = key('idempotency-due', device)
    if redis.call('ZCOUNT', due, '(' .. now, '+inf') < LIMITS.idempotency_keys then
        return nil
    end
    local first = redis.call('ZRANGE', due, '(' .. now, '+inf', 'BYSCORE', 'LIMIT', 0, 1, 'WITHSCORES')
    return first[2] - now
end

function Idempotency.remember(device, request, body, seq, connected)
    local answers, due = key('idempotency', device), key('idempotency-due', device)
    local forgotten = redis.call('ZRANGE', due, '-inf', now, 'BYSCORE', 'LIMIT', 0, BATCH)
    if #forgotten > 0 then
        redis.call('HDEL', answers, unpack(forgotten))
        redis.call('ZREM', due, unpack(forgotten))
    end
    local expires_at = now + LIMITS.idempotency_memory
    redis.call('HSET', answers, request, string.format('%.0f %.0f %d ', expires_at, seq, connected) .. body)
    redis.call('ZADD', due, expires_at, request)
    redis.call('PEXPIRE', answers, LIMITS.idempotency_memory + SAFETY_TTL)
    redis.call('PEXPIRE', due, LIMITS.idempotency_memory + SAFETY_TTL)
end

Call.operation('send', WRITE, function(device, data, ttl, request, body)
    local record = Records.load(device)
    if not record then
        return { 'unknown-device' }
    end
    local connected = record.socket and 1 or 0
    if request then
        local answer = Idempotency.find(device, request, body)
        if answer and not answer.is_same then
            return { 'key-reused' }
        elseif answer then
            local acknowledged = Outbox.has_acknowledged(device, record, answer.seq) and 1 or 0
            return { 'ok', record.epoch, answer.seq, answer.connected, acknowledged }
        end
        local wait = Idempotency.until_room(device)
        if wait then
            return { 'keys-full', wait }
        end
    end
    local wait = Outbox.until_room(device, record, #data)
    if wait then
        return { 'outbox-full', wait }
    end
    local seq = Outbox.push(device, record, data, ttl)
    if request then
        Idempotency.remember(device, request, body, seq, connected)
    end
    if record.socket then
        Notifications.message_queued(record.socket)
    end
    return { 'ok', record.epoch, seq, connected, 0 }
end)

-- A gateway that finds a message not acknowledged is notified when the device acknowledges.
Call.operation('is_acknowledged', SUBSCRIBE, function(device, epoch, seq)
    local record = Records.load(device)
    if not record or record.epoch ~= epoch then
        return { 0 }
    elseif Outbox.has_acknowledged(device, record, tonumber(seq)) then
        return { 1 }
    end
    redis.call('SADD', key('waiters', device), caller)
    redis.call('PEXPIRE', key('waiters', device), SAFETY_TTL)
    return { 0 }
end)

Call.operation('acknowledge', MAKE_ROOM, function(device, connection, seq)
    local record, stale = Sockets.record_of(device, connection)
    if not record then
        return stale
    end
    Outbox.acknowledge(device, record, tonumber(seq))
    Notifications.messages_acknowledged(device)
    return { 'ok' }
end)

Call.operation('accept', WRITE, function(device, connection, id, data)
    local record, stale = Sockets.record_of(device, connection)
    if not record then
        return stale
    end
    local accepted = key('accepted', device)
    if redis.call('LPOS', accepted, id) then
        return { 'ok' }
    elseif Events.are_full(device) then
        return { 'events-full' }
    end
    local remembered = redis.call('RPUSH', accepted, id)
    if remembered == 1 then
        Records.limit_ttl(record, accepted)
    elseif remembered > LIMITS.remembered_ids then
        redis.call('LTRIM', accepted, -LIMITS.remembered_ids, -1)
    end
    Events.append('message', device, connection, id, data)
    return { 'ok' }
end)
