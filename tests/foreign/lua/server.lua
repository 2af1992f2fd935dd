-- SPDX-License-Identifier: MIT
-- A web server of some lines on LuaSocket: it says what it was asked for. A
-- request for /fetch?URL is answered with what that URL says, by socket.http.
package.path = "/?.lua"

local socket = require("socket")
local http = require("socket.http")
local url = require("socket.url")

local server = assert(socket.bind("*", 80))
print("serving on port 80, " .. socket._VERSION)

local function answer(client, status, body)
    client:send("HTTP/1.0 " .. status .. "\r\nContent-Length: " .. #body ..
        "\r\n\r\n" .. body)
end

local function serve(client)
    local path = (client:receive("*l") or ""):match("^GET (%S+) ")
    repeat
        local line = client:receive("*l")
    until not line or line == ""
    local other = path and path:match("^/fetch%?(.+)")
    if not path then
        answer(client, "400 Bad Request", "what?\n")
    elseif other then
        local body, status = http.request(url.unescape(other))
        answer(client, "200 OK", tostring(status) .. "\n" .. tostring(body))
    else
        answer(client, "200 OK", "you asked for " .. path .. "\n")
    end
end

while true do
    local client = server:accept()
    client:settimeout(20)
    serve(client)
    client:close()
end
