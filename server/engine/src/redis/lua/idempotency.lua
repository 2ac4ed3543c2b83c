-- The idempotency keys of a device: the answer to the request of each, and what became of its message.

-- An answer as it is stored: when it is forgotten, the number of the message, whether the device had
-- a socket, whether the message has expired, and the digest of the request's body, which may hold any
-- byte.
local function encode(it)
    return string.format('%d %d %d %d ', it.expires, it.seq, it.connected, it.has_expired) .. it.body
end

local function decode(found)
    local expires, seq, connected, has_expired, rest = string.match(found, '^(%d+) (%d+) (%d) (%d) ()')
    return {
        expires = tonumber(expires), seq = tonumber(seq), connected = tonumber(connected),
        has_expired = tonumber(has_expired), body = string.sub(found, rest),
    }
end

-- The answer to an earlier request with this idempotency key.
function Idempotency.find(device, request, body)
    local found = redis.call('HGET', key('idempotency', device), request)
    if not found then
        return nil
    end
    local answer = decode(found)
    if answer.expires <= now then
        return nil
    end
    answer.is_same = answer.body == body
    return answer
end

-- Remembers that a message has expired: the outcome belongs to the key that it was sent with, for as
-- long as that is remembered.
function Idempotency.expire_message(message)
    if message.request == '' then
        return
    end
    local answers = key('idempotency', message.device)
    local found = redis.call('HGET', answers, message.request)
    local answer = found and decode(found)
    -- The key may have been forgotten, and used again.
    if answer and answer.seq == message.seq then
        answer.has_expired = 1
        redis.call('HSET', answers, message.request, encode(answer))
    end
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
    local expires = now + LIMITS.idempotency_memory
    local answer = { expires = expires, seq = seq, connected = connected, has_expired = 0, body = body }
    redis.call('HSET', answers, request, encode(answer))
    redis.call('ZADD', due, expires, request)
    redis.call('PEXPIRE', answers, LIMITS.idempotency_memory + SAFETY_TTL)
    redis.call('PEXPIRE', due, LIMITS.idempotency_memory + SAFETY_TTL)
end
