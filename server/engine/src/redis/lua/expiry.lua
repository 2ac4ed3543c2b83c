-- Ends what is due: a bounded number of things in a call.

-- Calls `ends` with what is due first, until nothing is or the batch is used up.
local function each_due(kind, left, ends)
    if left <= 0 then
        return 0
    end
    local due = redis.call('ZRANGE', key(kind), '-inf', now, 'BYSCORE', 'LIMIT', 0, left)
    for _, it in ipairs(due) do
        ends(it)
    end
    return left - #due
end

-- The token stays known as an expired one, until its record ends.
local function token_due(token)
    redis.call('ZREM', key('due:tokens'), token)
    local device = token_of(token)
    local record = device and load(device)
    if record then
        end_bound_to(device, record, token, TOKEN_EXPIRED)
    end
end

-- Ends the messages of the device whose message is due first, up to where another device's is due.
-- A device is listed under a time that is not after its first message's.
local function messages_due()
    local due = redis.call('ZRANGE', key('due:messages'), '-inf', now, 'BYSCORE', 'LIMIT', 0, 2, 'WITHSCORES')
    local device = due[1]
    if not device then
        return 0
    end
    local record = load(device)
    if not record then
        redis.call('ZREM', key('due:messages'), device)
        return 1
    end
    local to = math.min(now, tonumber(due[4] or now))
    local ended, first = {}, nil
    for _, message in ipairs(queued(device, '-inf', '+inf')) do
        if message.ends <= to then
            table.insert(ended, message)
        else
            first = math.min(first or message.ends, message.ends)
        end
    end
    table.sort(ended, function(one, other)
        return one.ends < other.ends or one.ends == other.ends and one.seq < other.seq
    end)
    take_out(device, record, ended)
    local expired = key('expired', device)
    for _, message in ipairs(ended) do
        event('expired', device, '', record.epoch, message.seq)
        redis.call('RPUSH', expired, message.seq)
    end
    if #ended > 0 then
        redis.call('LTRIM', expired, -LIMITS.outbox_messages, -1)
        catch(record, expired)
    end
    if first then
        redis.call('ZADD', key('due:messages'), first, device)
    end
    return 1 + #ended
end

local function half_ref_due(half_ref)
    redis.call('ZREM', key('due:waiting'), half_ref)
    local known = half_ref_of(half_ref)
    if known and known.state == 'waiting' then
        end_waiting(half_ref, known, 'expired')
    end
end

local function memory_due(half_ref)
    redis.call('ZREM', key('due:remembered'), half_ref)
    redis.call('DEL', key('half-ref', half_ref))
end

local function is_here(gateway)
    return redis.call('ZSCORE', key('gateways'), gateway) or redis.call('ZSCORE', key('leaving'), gateway)
end

local function record_due(device)
    local record = load(device)
    if record and record.socket and not is_here(record.socket.gateway) then
        socket_ended(device, record)
    end
    if not record then
        redis.call('ZREM', key('due:records'), device)
    elseif record.socket then
        keep_after(device, record, now)
    else
        end_record(device, record)
    end
end

-- Ends sockets of gateways that are gone.
local function sockets_due(left)
    while left > 0 do
        local gateway = redis.call('ZRANGE', key('leaving'), 0, 0)[1]
        if not gateway then
            break
        end
        local devices = redis.call('SRANDMEMBER', key('sockets', gateway), left)
        for _, device in ipairs(devices) do
            redis.call('SREM', key('sockets', gateway), device)
            local record = load(device)
            if record and record.socket and record.socket.gateway == gateway then
                socket_ended(device, record)
                keep_after(device, record, now)
            end
        end
        left = left - #devices - 1
        if left > 0 then
            redis.call('ZREM', key('leaving'), gateway)
        end
    end
    return left
end

-- Keeps the gateway's lease, shows that the channel of wake-ups is not silent, and ends what is due.
-- Says whether more is.
action('expire', MAKES_ROOM, function()
    renew_lease()
    redis.pcall('PUBLISH', key('gateway', me), 'p')
    for _, gateway in ipairs(redis.call('ZRANGE', key('gateways'), '-inf', now, 'BYSCORE')) do
        expel(gateway)
    end
    local left = sockets_due(LIMITS.batch)
    left = each_due('due:tokens', left, token_due)
    while left > 0 do
        local done = messages_due()
        if done == 0 then
            break
        end
        left = left - done
    end
    if left > 0 then
        left = left - drop_events(left, function(_, at) return at + LIMITS.event_ttl <= now end)
    end
    left = each_due('due:waiting', left, half_ref_due)
    left = each_due('due:remembered', left, memory_due)
    left = each_due('due:records', left, record_due)
    return { left <= 0 and 1 or 0 }
end)
