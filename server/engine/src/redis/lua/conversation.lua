-- What the operator sends, what the prospect says, and who is there.

-- Whether a message is acknowledged: those that ran out of time are passed over, not acknowledged.
local function has_acknowledged(device, record, seq)
    return seq <= record.acknowledged and not redis.call('LPOS', key('expired', device), seq)
end

-- What a request under this key was answered with.
local function answered(device, request, body)
    local known = redis.call('HGET', key('answers', device), request)
    if not known then
        return nil
    end
    local ends, seq, connected = string.match(known, '^(%d+) (%d+) (%d) ')
    if tonumber(ends) <= now then
        return nil
    end
    -- A digest, which may hold any byte, is the rest.
    local same = string.sub(known, #ends + #seq + #connected + 4) == body
    return { same = same, seq = tonumber(seq), connected = tonumber(connected) }
end

-- How long until there is room to remember one more key, where there is none.
local function no_room_for_key(device)
    local due = key('answers-due', device)
    if redis.call('ZCOUNT', due, '(' .. now, '+inf') < LIMITS.idempotency_keys then
        return nil
    end
    local first = redis.call('ZRANGE', due, '(' .. now, '+inf', 'BYSCORE', 'LIMIT', 0, 1, 'WITHSCORES')
    return first[2] - now
end

local function remember_answer(device, request, body, seq, connected)
    local answers, due = key('answers', device), key('answers-due', device)
    local forgotten = redis.call('ZRANGE', due, '-inf', now, 'BYSCORE', 'LIMIT', 0, 100)
    for _, it in ipairs(forgotten) do
        redis.call('HDEL', answers, it)
        redis.call('ZREM', due, it)
    end
    local ends = now + LIMITS.idempotency_memory
    redis.call('HSET', answers, request, string.format('%.0f %.0f %d ', ends, seq, connected) .. body)
    redis.call('ZADD', due, ends, request)
    redis.call('PEXPIRE', answers, LIMITS.idempotency_memory + NET)
    redis.call('PEXPIRE', due, LIMITS.idempotency_memory + NET)
end

-- How long until the first message ends.
local function until_room(device)
    local first
    for _, message in ipairs(queued(device, '-inf', '+inf')) do
        first = math.min(first or message.ends, message.ends)
    end
    return math.max((first or now) - now, 0)
end

action('send', CHANGES, function(device, data, ttl, request, body)
    local record = load(device)
    if not record then
        return { 'unknown-device' }
    end
    local connected = record.socket and 1 or 0
    if request then
        local answer = answered(device, request, body)
        if answer and not answer.same then
            return { 'key-reused' }
        elseif answer then
            local acknowledged = has_acknowledged(device, record, answer.seq) and 1 or 0
            return { 'ok', record.epoch, answer.seq, answer.connected, acknowledged }
        end
        local wait = no_room_for_key(device)
        if wait then
            return { 'keys-full', wait }
        end
    end
    if record.count >= LIMITS.outbox_messages or record.bytes + #data > LIMITS.outbox_bytes then
        return { 'outbox-full', until_room(device) }
    end
    local seq, ends = record.newest + 1, now + ttl
    record.newest, record.count, record.bytes = seq, record.count + 1, record.bytes + #data
    touch(device)
    redis.call('HSET', key('outbox', device), seq, data)
    redis.call('ZADD', key('queue', device), seq, string.format('%.0f %.0f %d', seq, ends, #data))
    redis.call('ZADD', key('due:messages'), 'LT', ends, device)
    keep_after(device, record, now)
    if record.count == 1 then
        catch(record, key('outbox', device))
        catch(record, key('queue', device))
    end
    if request then
        remember_answer(device, request, body, seq, connected)
    end
    if record.socket then
        tell(record.socket.gateway, 'q ' .. record.socket.connection)
    end
    return { 'ok', record.epoch, seq, connected, 0 }
end)

-- Who finds that it is not acknowledged is told when the device acknowledges.
action('is_acknowledged', LISTENS, function(device, epoch, seq)
    local record = load(device)
    if not record or record.epoch ~= epoch then
        return { 0 }
    elseif has_acknowledged(device, record, tonumber(seq)) then
        return { 1 }
    end
    redis.call('SADD', key('waiters', device), me)
    redis.call('PEXPIRE', key('waiters', device), NET)
    return { 0 }
end)

-- At least one message, and then up to so many bytes.
action('outbox', LOOKS, function(device, connection, after, bytes)
    local record, stale = record_of(device, connection)
    if not record then
        return stale
    end
    local numbers, total = {}, 0
    if record.count > 0 then
        for _, message in ipairs(queued(device, '(' .. after, '+inf')) do
            if #numbers > 0 and total + message.size > tonumber(bytes) then
                break
            end
            if message.ends > now then
                total = total + math.max(message.size, 1)
                table.insert(numbers, message.seq)
            end
        end
    end
    local outcome = { 'ok' }
    for _, seq in ipairs(numbers) do
        table.insert(outcome, seq)
        table.insert(outcome, redis.call('HGET', key('outbox', device), seq))
    end
    return outcome
end)

action('acknowledge', MAKES_ROOM, function(device, connection, seq)
    local record, stale = record_of(device, connection)
    if not record then
        return stale
    end
    seq = math.min(tonumber(seq), record.newest)
    if seq > record.acknowledged then
        record.acknowledged = seq
        touch(device)
    end
    if record.count > 0 then
        take_out(device, record, queued(device, '-inf', seq))
    end
    tell(me, 'a ' .. device)
    for _, gateway in ipairs(redis.call('SMEMBERS', key('waiters', device))) do
        if gateway ~= me then
            tell(gateway, 'a ' .. device)
        end
    end
    redis.call('DEL', key('waiters', device))
    return { 'ok' }
end)

action('accept', CHANGES, function(device, connection, id, data)
    local record, stale = record_of(device, connection)
    if not record then
        return stale
    end
    local accepted = key('accepted', device)
    if redis.call('LPOS', accepted, id) then
        return { 'ok' }
    elseif events_full(device) then
        return { 'events-full' }
    end
    local remembered = redis.call('RPUSH', accepted, id)
    if remembered == 1 then
        catch(record, accepted)
    elseif remembered > LIMITS.remembered_ids then
        redis.call('LTRIM', accepted, -LIMITS.remembered_ids, -1)
    end
    event('message', device, connection, id, data)
    return { 'ok' }
end)

local function described(device)
    local record = load(device)
    if not record then
        return nil
    elseif not record.socket then
        return { device, record.count }
    end
    local socket = record.socket
    return { device, record.count, socket.connection, socket.since, socket.link }
end

action('device', LOOKS, function(device)
    return { described(device) }
end)

action('connected', LOOKS, function(after, limit)
    local from = after == '' and '-' or '(' .. after
    local devices = redis.call('ZRANGE', key('connected'), from, '+', 'BYLEX', 'LIMIT', 0, limit)
    local found = {}
    for _, device in ipairs(devices) do
        table.insert(found, described(device))
    end
    return found
end)

action('disconnect', MAKES_ROOM, function(device)
    local record = load(device)
    if record then
        end_record(device, record)
    end
    return { 'ok' }
end)

-- Who finds nothing is told when there is something.
action('events', LISTENS, function(from, limit)
    from = tonumber(from)
    local next = event_log().next
    local oldest = next - redis.call('XLEN', key('events'))
    local found = {}
    if from < next and tonumber(limit) > 0 then
        found = redis.call('XRANGE', key('events'), math.max(from, oldest) .. '-0', '+', 'COUNT', limit)
    elseif from >= next then
        redis.call('SADD', key('readers'), me)
    end
    return { oldest, next, found }
end)

-- Says whether there may be more to let go of.
action('release', MAKES_ROOM, function(through)
    through = tonumber(through)
    return { drop_events(LIMITS.batch, function(n) return n <= through end) == LIMITS.batch and 1 or 0 }
end)
