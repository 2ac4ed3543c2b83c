-- What every action shares: the check that its gateway is who it was, the records that it touches,
-- the wake-ups that it gives, and what is written when it is done.
--
-- Everything that is read is read again in every call; nothing is kept between calls.

-- A safety net for when no gateway is left to end what is due: every key of a device, a token or a
-- half ref ends by itself this long after its time.
local NET = 24 * 3600 * 1000

local prefix, now, me, mark, generation, log, cached, dirty, told, happened

local function key(kind, name)
    return prefix .. kind .. (name and ':' .. name or '')
end

-- The mark counts what a gateway did; a gateway that knows of more than is written here has lost some
-- of it. Whoever finds that something was lost takes away everyone's mark, so that nobody goes on.
local function begin(at_prefix, clock, gateway, seen)
    prefix, me = at_prefix, gateway
    log, cached, dirty, told, happened = nil, {}, {}, {}, false
    if clock == '' then
        local time = redis.call('TIME')
        now = time[1] * 1000 + math.floor(time[2] / 1000)
    else
        now = tonumber(clock)
    end
    local found = redis.call('HGET', key('meta'), 'mark:' .. me)
    if not found then
        return redis.call('EXISTS', key('left', me)) == 1 and 'GATEWAY left' or 'GATEWAY lost a tail'
    end
    generation, mark = string.match(found, '^(%d+) (%d+)$')
    generation, mark = tonumber(generation), tonumber(mark)
    if mark < tonumber(seen) then
        return 'GATEWAY lost a tail'
    end
end

local function keep_mark()
    redis.call('HSET', key('meta'), 'mark:' .. me, generation .. ' ' .. mark)
end

-- The number of the next event and the bytes of those that are kept.
local function event_log()
    if not log then
        local found = redis.call('HMGET', key('meta'), 'next', 'bytes')
        log = { next = tonumber(found[1]), bytes = tonumber(found[2]) }
    end
    return log
end

-- Tells a gateway something: the caller with its answer, another through its channel.
local function tell(gateway, what)
    told[gateway] = told[gateway] or {}
    table.insert(told[gateway], what)
end

-- Says who is to hear of new events: those that looked for some and found none.
local function wake_readers()
    tell(me, 'e')
    local readers = redis.call('SMEMBERS', key('readers'))
    for _, reader in ipairs(readers) do
        if reader ~= me then
            tell(reader, 'e')
        end
    end
    if #readers > 0 then
        redis.call('DEL', key('readers'))
    end
end

local function packed_record(it)
    return cmsgpack.pack({
        it.epoch, it.generation, it.claimed, it.tokens, it.waiting, it.ends, it.net, it.rate,
        it.newest, it.acknowledged, it.count, it.bytes, it.socket or false, it.last or false,
    })
end

-- A record as it was found.
local function found_record(device, packed)
    if not packed then
        cached[device] = false
        return nil
    end
    local it = cmsgpack.unpack(packed)
    local record = {
        epoch = it[1],
        generation = it[2],
        claimed = it[3],
        tokens = it[4], -- the oldest first; of a claim, the one before and the newest
        waiting = it[5], -- the half refs that wait to be redeemed, and until when
        ends = it[6], -- but for a socket that is still open then
        net = it[7], -- until when its keys are kept
        rate = it[8], -- when the rate is used up, in microseconds
        newest = it[9],
        acknowledged = it[10],
        count = it[11], -- messages in the outbox
        bytes = it[12], -- of these
        socket = it[13] or nil,
        last = it[14] or nil, -- the connection that was ended last, and the reason
    }
    if record.generation ~= generation then
        -- Some of what was numbered may be lost.
        local stream = redis.call('HGET', key('meta'), 'stream')
        record.epoch = string.sub(redis.sha1hex(stream .. record.epoch), 1, 22)
        record.generation = generation
        dirty[device] = true
    end
    cached[device] = record
    return record
end

-- A record is read once in a call, however often it is asked for, and written once at its end.
local function load(device)
    local record = cached[device]
    if record == nil then
        return found_record(device, redis.call('GET', key('device', device)))
    end
    return record or nil
end

local function touch(device)
    dirty[device] = true
end

local function forget(device)
    cached[device] = false
    dirty[device] = nil
    redis.call(
        'DEL', key('device', device), key('outbox', device), key('queue', device), key('expired', device),
        key('accepted', device), key('answers', device), key('answers-due', device), key('waiters', device)
    )
end

-- Gives a key of a device the safety net of its record.
local function catch(record, at)
    redis.call('PEXPIRE', at, math.max(record.net - now, 1))
end

local function save(device, record)
    local at = key('device', device)
    if record.net < record.ends + NET / 2 then
        record.net = math.max(record.ends, now) + NET
        for _, kind in ipairs({ 'outbox', 'queue', 'expired', 'accepted' }) do
            catch(record, key(kind, device))
        end
        for _, token in ipairs(record.tokens) do
            catch(record, key('token', token))
        end
        redis.call('SET', at, packed_record(record), 'PX', math.max(record.net - now, 1))
    else
        redis.call('SET', at, packed_record(record), 'KEEPTTL')
    end
end

local function finish(outcome, kind)
    if happened then
        wake_readers()
    end
    if kind.saves then
        for device in pairs(dirty) do
            save(device, cached[device])
        end
    end
    if kind.counts then
        mark = mark + 1
        keep_mark()
        if log then
            redis.call('HSET', key('meta'), 'next', log.next, 'bytes', log.bytes)
        end
    end
    for gateway, what in pairs(told) do
        if gateway ~= me then
            -- Whoever misses it looks for itself; it must not undo what was done.
            redis.pcall('PUBLISH', key('gateway', gateway), table.concat(what, '\n'))
        end
    end
    return { mark, told[me] or {}, outcome }
end

-- Kinds of actions: whether they change records, whether they change what must not be lost, and
-- whether they may when memory is short. Those that may either make room or end what is due.
local CHANGES = { saves = true, counts = true, flags = {} }
local MAKES_ROOM = { saves = true, counts = true, flags = { 'allow-oom' } }
local ASKS = { saves = true, flags = {} }
local LISTENS = { flags = { 'allow-oom' } }
local LOOKS = { flags = { 'no-writes' } }

-- Registers an action. Its own arguments come first; the last three say whose call it is.
local function action(name, kind, body)
    redis.register_function({
        function_name = LIBRARY .. '_' .. name,
        flags = kind.flags,
        callback = function(keys, args)
            local own = #args - 3
            local refused = begin(keys[1], unpack(args, own + 1))
            if refused then
                return redis.error_reply(refused)
            end
            return finish(body(unpack(args, 1, own)), kind)
        end,
    })
end
