-- The conversation: what the operator sends, what the prospect acknowledges and says.

Call.operation('send', WRITE, function(device, data, ttl, request, body)
    local record = Records.load(device)
    if not record then
        return 'unknown-device'
    end
    local connected = record.socket and 1 or 0
    if request then
        local answer = Idempotency.find(device, request, body)
        if answer and not answer.is_same then
            return 'key-reused'
        elseif answer then
            local acknowledged = answer.seq <= record.acknowledged_seq and answer.has_expired == 0
            return { 'ok', record.epoch, answer.seq, answer.connected, acknowledged and 1 or 0 }
        end
        local wait = Idempotency.until_room(device)
        if wait then
            return { 'keys-full', wait }
        end
    end
    local wait = Outbox.until_room(device, record, #data)
    if wait then
        return { 'outbox-full', wait }
    elseif not Events.has_room_for_message(device, record) then
        return 'events-full'
    end
    local seq = Outbox.push(device, record, data, ttl, request or '')
    if request then
        Idempotency.remember(device, request, body, seq, connected)
    end
    if record.socket then
        Notifications.message_queued(record.socket)
    end
    return { 'ok', record.epoch, seq, connected, 0, record.count, record.bytes }
end)

-- A gateway that finds a message pending is notified when messages of the device are settled.
Call.operation('acknowledgement', SUBSCRIBE_TO_DEVICE, function(device, epoch, seq)
    local record = Records.load(device)
    if not record or record.epoch ~= epoch then
        return 'never'
    end
    local found = Outbox.acknowledgement(device, record, tonumber(seq))
    if found == 'pending' then
        record.has_waiters = true
        Records.touch(device)
        redis.call('SADD', key('waiters', device), caller)
        redis.call('PEXPIRE', key('waiters', device), SAFETY_TTL)
    end
    return found
end)

Call.operation('acknowledge', MAKE_ROOM, function(device, connection, seq)
    local record, stale = Sockets.record_of(device, connection)
    if not record then
        return stale
    end
    local has_more = Outbox.acknowledge(device, record, tonumber(seq))
    Notifications.messages_settled(device, record)
    return has_more and 'more' or 'ok'
end)

-- The ids of accepted messages are kept as the first bytes of their digests, one after the other, the newest
-- last: that takes a sixth of a list's memory, and less time to search. A few more are kept than are
-- compared, so that they are not cut each time.
local ID_SIZE, ID_SLACK = 8, 32

local function has_id(ids, id)
    local place = string.find(ids, id, 1, true)
    while place and place % ID_SIZE ~= 1 do
        place = string.find(ids, id, place + 1, true)
    end
    return place ~= nil
end

-- `id_digest` has ID_SIZE bytes.
Call.operation('accept', WRITE, function(device, connection, id, id_digest, data)
    local accepted, known = key('accepted', device), LIMITS.remembered_ids * ID_SIZE
    local found = redis.call('MGET', key('device', device), accepted)
    Records.decode(device, found[1])
    local record, stale = Sockets.record_of(device, connection)
    if not record then
        return stale
    end
    local ids = known > 0 and string.sub(found[2] or '', -known) or ''
    if has_id(ids, id_digest) then
        return 'ok'
    elseif not Events.has_room_for_event(device, record, connection, id, data) then
        return 'events-full'
    end
    if known > 0 then
        local size = redis.call('APPEND', accepted, id_digest)
        if size == ID_SIZE then
            Records.limit_ttl(record, accepted)
        elseif size >= known + ID_SLACK * ID_SIZE then
            redis.call('SET', accepted, string.sub(ids .. id_digest, -known), 'KEEPTTL')
        end
    end
    Events.append('message', device, connection, id, data)
    return 'ok'
end)
