<?php
// The service for PHP's built-in server.

function stream(string $type, array $texts, bool $thenFail): void
{
    header("Content-Type: $type");
    foreach ($texts as $text) {
        echo $text;
        flush();
        usleep(30_000);
    }
    if ($thenFail) {
        throw new RuntimeException("the handler fails midway");
    }
}

function json(mixed $value): void
{
    header("Content-Type: application/json");
    echo json_encode($value);
}

switch (parse_url($_SERVER["REQUEST_URI"], PHP_URL_PATH)) {
    case "/json":
        json(["user" => 1, "name" => "Ada"]);
        break;
    case "/text":
        header("Content-Type: text/plain; charset=utf-8");
        echo "pong";
        break;
    case "/nothing":
        http_response_code(204);
        break;
    case "/take":
    case "/moody":
        $bytes = strlen(file_get_contents("php://input"));
        if (isset($_SERVER["QUERY_STRING"])) {
            throw new RuntimeException("the handler raises before it has answered");
        }
        json(["bytes" => $bytes]);
        break;
    case "/stream":
        stream("text/plain", ["one ", "two ", "three ", "four"], false);
        break;
    case "/broken":
        stream("text/plain", ["one ", "two "], true);
        break;
    case "/broken_length":
        header("Content-Length: 18");
        stream("text/plain", ["one ", "two "], true);
        break;
    case "/broken_json":
        stream("application/json", ['{"user": 1, ', '"name": '], true);
        break;
    default:
        http_response_code(404);
        echo "not found";
}
