-- The outbox of a device: its messages by number in a hash, their deadlines and sizes in a sorted
-- set by number (`queue`), and the deadlines of all devices in one sorted set (`due:messages`).

-- The digest of the idempotency key that a message was sent with comes last in a member, because it
-- may hold any byte; a message without one ends with a space.

-- The member of a message in its queue.
local function queue_member(message)
    return string.format('%d %d %d ', message.seq, message.expires, message.size) .. message.request
end

-- The member of a message among the deadlines of all devices. Where several messages have one
-- deadline, they are in the order of device and number.
local function deadline_member(message)
    return string.format('%s %010d %d ', message.device, message.seq, message.size) .. message.request
end

-- The messages with a number in this range, in order, up to `at_most` where it is given.
function Outbox.messages(device, from, to, at_most)
    local members = redis.call('ZRANGE', key('queue', device), from, to, 'BYSCORE', 'LIMIT', 0, at_most or -1)
    local messages = {}
    for _, member in ipairs(members) do
        local seq, expires, size, place = string.match(member, '^(%d+) (%d+) (%d+) ()')
        table.insert(messages, {
            device = device, seq = tonumber(seq), expires = tonumber(expires), size = tonumber(size),
            request = string.sub(member, place),
        })
    end
    return messages
end

-- The first messages of any device that are due, up to `at_most`, in the order of their deadlines.
local function due_messages(at_most)
    local due = redis.call('ZRANGE', key('due:messages'), '-inf', now, 'BYSCORE', 'LIMIT', 0, at_most, 'WITHSCORES')
    local messages = {}
    for place = 1, #due, 2 do
        local device, seq, size, rest = string.match(due[place], '^(%S+) (%d+) (%d+) ()')
        table.insert(messages, {
            device = device, seq = tonumber(seq), expires = tonumber(due[place + 1]), size = tonumber(size),
            request = string.sub(due[place], rest),
        })
    end
    return messages
end

-- Calls a command with a member or field for each message, a batch at a time: Lua bounds how many
-- arguments a call can have.
local function remove_each(command, name, messages, member)
    for first = 1, #messages, BATCH do
        local members = {}
        for place = first, math.min(first + BATCH - 1, #messages) do
            table.insert(members, member(messages[place]))
        end
        redis.call(command, name, unpack(members))
    end
end

function Outbox.clear_deadlines(messages)
    remove_each('ZREM', key('due:messages'), messages, deadline_member)
end

local function remove(device, record, messages)
    remove_each('HDEL', key('outbox', device), messages, function(message) return message.seq end)
    remove_each('ZREM', key('queue', device), messages, queue_member)
    Outbox.clear_deadlines(messages)
    for _, message in ipairs(messages) do
        record.count, record.bytes = record.count - 1, record.bytes - message.size
        if record.first_expires and message.expires <= record.first_expires then
            record.first_expires = false
        end
    end
    Records.touch(device)
end

-- Removes messages whose time is over, and remembers that they were not acknowledged: with their
-- idempotency keys, and by number as many as fit in an outbox.
local function expire_of_device(device, record, messages)
    remove(device, record, messages)
    local expired, seqs = key('expired', device), {}
    for _, message in ipairs(messages) do
        table.insert(seqs, message.seq)
        Idempotency.expire_message(message)
    end
    local extra = redis.call('RPUSH', expired, unpack(seqs)) - LIMITS.outbox_messages
    if extra > 0 then
        for _, seq in ipairs(redis.call('LPOP', expired, extra)) do
            record.unknown_seq = math.max(record.unknown_seq, tonumber(seq))
        end
    end
    Records.limit_ttl(record, expired)
end

-- Expires messages, which are in the order of their deadlines and at most a batch.
local function expire(messages)
    local by_device = {}
    for _, message in ipairs(messages) do
        by_device[message.device] = by_device[message.device] or {}
        table.insert(by_device[message.device], message)
    end
    for device, of_device in pairs(by_device) do
        local record = Records.load(device)
        if record then
            expire_of_device(device, record, of_device)
            Notifications.messages_settled(device)
        else
            Outbox.clear_deadlines(of_device)
            for _ = 1, #of_device do
                Events.unreserve_lost(device)
            end
        end
    end
    for _, message in ipairs(messages) do
        local record = Records.load(message.device)
        if record then
            Events.append('expired', message.device, '', record.epoch, message.seq)
        end
    end
end

-- Expires what is due in the outboxes of all devices, up to `at_most`; returns how many messages.
function Outbox.expire_due(at_most)
    local due = due_messages(math.min(at_most, BATCH))
    expire(due)
    return #due
end

-- Splits messages of one device: those that are due, in the order of their deadlines, and the others.
local function split_due(messages)
    local due, others = {}, {}
    for _, message in ipairs(messages) do
        table.insert(message.expires <= now and due or others, message)
    end
    table.sort(due, function(one, other)
        return one.expires < other.expires or one.expires == other.expires and one.seq < other.seq
    end)
    return due, others
end

-- Expires the first messages of a device, up to a batch, whether or not they are due.
function Outbox.expire_first(device, at_most)
    expire(Outbox.messages(device, '-inf', '+inf', at_most))
end

-- Expires what is due in the outbox of one device, up to a batch.
local function expire_due_of(device)
    local due = split_due(Outbox.messages(device, '-inf', '+inf'))
    expire({ unpack(due, 1, math.min(#due, BATCH)) })
end

-- How many messages wait. Those that are due do not, also before a gateway expires them.
function Outbox.count(device, record)
    if record.count == 0 or record.first_expires and record.first_expires > now then
        return record.count
    elseif redis.call('ZCOUNT', key('due:messages'), '-inf', now) == 0 then
        return record.count
    end
    local _, waiting = split_due(Outbox.messages(device, '-inf', '+inf'))
    return #waiting
end

-- When the first message expires. It is remembered: an outbox that stays full is not read for each
-- message that is refused.
local function first_expires(device, record)
    if record.count > 0 and not record.first_expires then
        for _, message in ipairs(Outbox.messages(device, '-inf', '+inf')) do
            record.first_expires = math.min(record.first_expires or message.expires, message.expires)
        end
        Records.touch(device)
    end
    return record.first_expires or now
end

local function is_full(record, size)
    return record.count >= LIMITS.outbox_messages or record.bytes + size > LIMITS.outbox_bytes
end

-- How long until there is room for a message of this size, in milliseconds, where there is none.
-- Messages that are due take no room, also before a gateway expires them.
function Outbox.until_room(device, record, size)
    if is_full(record, size) and first_expires(device, record) <= now then
        expire_due_of(device)
    end
    return is_full(record, size) and math.max(first_expires(device, record) - now, 0) or nil
end

-- Queues a message, with the digest of its idempotency key or ''; returns its number.
function Outbox.push(device, record, data, ttl, request)
    local message = {
        device = device, seq = record.last_seq + 1, expires = now + ttl, size = #data, request = request,
    }
    if record.count == 0 then
        record.first_expires = message.expires
    elseif record.first_expires then
        record.first_expires = math.min(record.first_expires, message.expires)
    end
    record.last_seq, record.count, record.bytes = message.seq, record.count + 1, record.bytes + #data
    Records.touch(device)
    redis.call('HSET', key('outbox', device), message.seq, data)
    redis.call('ZADD', key('queue', device), message.seq, queue_member(message))
    redis.call('ZADD', key('due:messages'), message.expires, deadline_member(message))
    State.extend_record(device, record, now)
    if record.count == 1 then
        Records.limit_ttl(record, key('outbox', device))
        Records.limit_ttl(record, key('queue', device))
    end
    return message.seq
end

-- Removes the messages up to a number, a batch at most. Those that are due expire: they were not
-- acknowledged in time. Returns whether there may be more; then the call is to be repeated.
function Outbox.acknowledge(device, record, seq)
    seq = math.min(seq, record.last_seq)
    local messages = record.count > 0 and Outbox.messages(device, '-inf', seq, BATCH) or {}
    local has_more = #messages == BATCH
    if has_more then
        seq = messages[BATCH].seq
    end
    if seq > record.acknowledged_seq then
        record.acknowledged_seq = seq
        Records.touch(device)
    end
    if #messages > 0 then
        local due, acknowledged = split_due(messages)
        expire(due)
        remove(device, record, acknowledged)
    end
    return has_more
end

-- Whether the prospect is known to have acknowledged a message ('acknowledged'), can do so ('pending')
-- or will not ('never'). A message that is due counts as expired, also before a gateway expires it.
function Outbox.acknowledgement(device, record, seq)
    local queued = Outbox.messages(device, seq, seq)[1]
    if queued then
        return queued.expires > now and 'pending' or 'never'
    end
    local is_acknowledged = seq <= record.acknowledged_seq
        and seq > record.unknown_seq
        and not redis.call('LPOS', key('expired', device), seq)
    return is_acknowledged and 'acknowledged' or 'never'
end

-- The messages after a number: at least one, then up to `bytes` bytes of them; numbers and data by
-- turns, after 'more' where there are further ones.
Call.operation('outbox', READ, function(device, connection, after, bytes)
    local record, stale = Sockets.record_of(device, connection)
    if not record then
        return stale
    end
    local outcome, total = { 'ok' }, 0
    local page = record.count > 0 and Outbox.messages(device, '(' .. after, '+inf', BATCH) or {}
    while #page > 0 do
        for _, message in ipairs(page) do
            if message.expires > now then
                if total > 0 and total + message.size > tonumber(bytes) then
                    outcome[1] = 'more'
                    return outcome
                end
                total = total + math.max(message.size, 1)
                table.insert(outcome, message.seq)
                table.insert(outcome, redis.call('HGET', key('outbox', device), message.seq))
            end
        end
        local last = page[#page].seq
        page = #page == BATCH and Outbox.messages(device, '(' .. last, '+inf', BATCH) or {}
    end
    return outcome
end)
